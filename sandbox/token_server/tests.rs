//! What becomes of refresh tokens, in each style.

use super::*;
use tokio::io::AsyncReadExt;

async fn post(server: &TokenServer, refresh_token: &str) -> String {
    let body = format!(
        "grant_type=refresh_token&refresh_token={refresh_token}&client_id={CLIENT_ID}&client_secret={CLIENT_SECRET}"
    );
    let mut stream = TcpStream::connect(server.listening.address()).await.unwrap();
    let head = format!("POST /token HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_single_use_token_works_once_and_a_kept_one_for_ever() {
    for (style, second) in [(Style::SingleUse, "400"), (Style::Kept, "200"), (Style::Renewed, "200")] {
        let server = TokenServer::start(style).await.unwrap();
        let issued = server.issue();
        assert!(post(&server, &issued.refresh_token).await.starts_with("HTTP/1.1 200 "));
        let again = post(&server, &issued.refresh_token).await;
        assert!(again.starts_with(&format!("HTTP/1.1 {second} ")), "{style:?}: {again}");
        server.stop().await;
    }
}

#[tokio::test]
async fn an_answer_that_is_lost_has_used_the_token_up() {
    let server = TokenServer::start(Style::SingleUse).await.unwrap();
    let issued = server.issue();
    server.script([Mishap::LostAnswer]);
    assert_eq!(post(&server, &issued.refresh_token).await, "");
    assert!(post(&server, &issued.refresh_token).await.contains("invalid_grant"));
    assert_eq!((server.refreshes(), server.invalid_grants(), server.count()), (vec![1], 1, 2));
}
