//! The dialer on real sockets.

use std::{
    collections::VecDeque,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use reqwest::{
    StatusCode,
    header::{HOST, HeaderName, HeaderValue, LOCATION, PROXY_AUTHORIZATION},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use super::{
    super::Secret,
    Call, CallFault, End, KEPT, Outbound, OutboundSettings,
    resolver::{Looking, Lookup, System},
};

/// Long enough to never be what a test waits for.
const LONG: Duration = Duration::from_mins(1);
/// Short enough to be waited for.
const SHORT: Duration = Duration::from_millis(200);

/// A receiver with its own idea of an answer: it says these bytes to each request, and then does what `then` says.
struct Receiver {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    heard: Arc<Mutex<Vec<String>>>,
    tasks: JoinSet<()>,
}

#[derive(Clone, Copy)]
enum Then {
    /// Answer the next request.
    Stay,
    Close,
    /// Say no more, and keep the connection.
    Hang,
    /// Go on with bytes until nobody listens.
    Flood,
}

impl Receiver {
    async fn at(ip: Ipv4Addr, port: u16, says: &str, then: Then) -> Self {
        let listener = TcpListener::bind((ip, port)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (connections, heard) = (Arc::<AtomicUsize>::default(), Arc::<Mutex<Vec<String>>>::default());
        let (count, ears, says) = (Arc::clone(&connections), Arc::clone(&heard), says.to_owned());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut guests = JoinSet::new();
            loop {
                let (guest, _) = listener.accept().await.unwrap();
                count.fetch_add(1, Ordering::SeqCst);
                guests.spawn(serve(guest, says.clone(), then, Arc::clone(&ears)));
            }
        });
        Self { address, connections, heard, tasks }
    }

    async fn new(says: &str, then: Then) -> Self {
        Self::at(Ipv4Addr::LOCALHOST, 0, says, then).await
    }

    async fn leave(mut self) {
        self.tasks.shutdown().await;
    }

    fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

async fn serve(mut guest: TcpStream, says: String, then: Then, heard: Arc<Mutex<Vec<String>>>) {
    while let Some(request) = hear(&mut guest).await {
        heard.lock().unwrap().push(request);
        if guest.write_all(says.as_bytes()).await.is_err() {
            return;
        }
        match then {
            Then::Stay => {}
            Then::Close => return,
            Then::Hang => std::future::pending().await,
            Then::Flood => while guest.write_all(&[b'x'; 4096]).await.is_ok() {},
        }
    }
}

/// One request, with the body that its length announces.
async fn hear(guest: &mut TcpStream) -> Option<String> {
    let mut request = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&request).to_ascii_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return Some(text);
            }
        }
        if guest.read_buf(&mut request).await.ok()? == 0 {
            return None;
        }
    }
}

/// A dialer that may call the receivers of these tests: one address of loopback, and no other.
fn dialer() -> Outbound {
    dialer_with(OutboundSettings::default(), System)
}

fn dialer_with(settings: OutboundSettings, lookup: impl Lookup + 'static) -> Outbound {
    let settings = OutboundSettings { allow: "127.0.0.1".parse().unwrap(), ..settings };
    Outbound::with(&settings, &(Arc::new(lookup) as Arc<dyn Lookup>)).unwrap()
}

/// Says another address each time it is asked, and the last one for ever.
struct Rebinding {
    answers: Mutex<VecDeque<Vec<IpAddr>>>,
    asked: AtomicUsize,
}

impl Rebinding {
    fn new(answers: &[&[[u8; 4]]]) -> Arc<Self> {
        let answers = answers.iter().map(|found| found.iter().map(|ip| IpAddr::from(*ip)).collect()).collect();
        Arc::new(Self { answers: Mutex::new(answers), asked: AtomicUsize::new(0) })
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Lookup for Arc<Rebinding> {
    fn lookup(&self, _: &str) -> Looking {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut answers = self.answers.lock().unwrap();
        let answer = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
        Box::pin(std::future::ready(answer.ok_or_else(|| io::Error::other("unknown"))))
    }
}

#[tokio::test]
async fn what_is_sent_is_what_was_given_and_the_answer_comes_back() {
    let receiver = Receiver::new("HTTP/1.1 202 Accepted\r\nX-A: b\r\nContent-Length: 2\r\n\r\nok", Then::Stay).await;
    let (outbound, name) = (dialer(), HeaderName::from_static("x-secret"));
    for _ in 0..2 {
        let call = Call::post(receiver.url(), b"{\"a\":  1}".to_vec()).header(name.clone(), "hunter2".parse().unwrap());
        assert!(!format!("{call:?}").contains("hunter2"));
        let answer = outbound.send(call).await.unwrap();
        assert_eq!((answer.status, answer.body.as_slice(), answer.end), (StatusCode::ACCEPTED, &b"ok"[..], End::Whole));
        assert_eq!(answer.header(&HeaderName::from_static("x-a")), Some("b"));
        assert_eq!(answer.address, Some(receiver.address));
        assert!(answer.took < LONG && answer.is_whole());
    }
    let heard = receiver.heard();
    assert!(heard[0].starts_with("post /hook http/1.1\r\n") && heard[0].ends_with("\r\n\r\n{\"a\":  1}"), "{heard:?}");
    assert!(
        heard[0].contains("\r\nx-secret: hunter2\r\n") && heard[0].contains("\r\nuser-agent: liaison/"),
        "{heard:?}"
    );
    // The second went over the same connection.
    assert_eq!((heard.len(), receiver.connections()), (2, 1));
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_not_followed() {
    let other = Receiver::new("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Then::Close).await;
    for status in ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"] {
        let says = format!("HTTP/1.1 {status}\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n", other.url());
        let receiver = Receiver::new(&says, Then::Close).await;
        let answer = dialer().send(Call::post(receiver.url(), b"a".to_vec())).await.unwrap();
        assert!(answer.status.is_redirection() && answer.header(&LOCATION) == Some(&other.url()), "{status}");
        let answer = dialer().send_trusted(Call::get(receiver.url())).await.unwrap();
        assert!(answer.status.is_redirection(), "{status}");
    }
    assert_eq!(other.connections(), 0);
}

#[tokio::test]
async fn who_never_answers_is_given_up() {
    for says in ["", "HTTP/1.1 200 OK\r\nX-Slow: "] {
        let receiver = Receiver::new(says, Then::Hang).await;
        let fault = dialer().send(Call::get(receiver.url()).within(SHORT)).await.unwrap_err();
        assert_eq!(fault, CallFault::TimedOut { after: SHORT });
        assert!(!fault.is_permanent() && fault.to_string() == "no answer within 200ms", "{fault}");
    }
}

#[tokio::test]
async fn a_status_holds_even_if_the_body_never_ends() {
    let says = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf";
    let receiver = Receiver::new(says, Then::Hang).await;
    let answer = dialer().send(Call::get(receiver.url()).within(SHORT)).await.unwrap();
    assert_eq!((answer.status, answer.body.as_slice(), answer.end), (StatusCode::OK, &b"half"[..], End::TimedOut));
    let receiver = Receiver::new(says, Then::Close).await;
    let answer = dialer().send(Call::get(receiver.url()).within(LONG)).await.unwrap();
    assert_eq!((answer.status, answer.body.as_slice(), answer.end), (StatusCode::OK, &b"half"[..], End::Broken));
}

#[tokio::test]
async fn an_endless_body_is_cut() {
    let receiver = Receiver::new("HTTP/1.1 500 No\r\nContent-Length: 99999999999\r\n\r\n", Then::Flood).await;
    let answer = dialer().send(Call::get(receiver.url()).within(LONG)).await.unwrap();
    assert_eq!((answer.body.len(), answer.end), (KEPT, End::Cut));
    let answer = dialer().send(Call::get(receiver.url()).within(LONG).keeping(40_000)).await.unwrap();
    assert_eq!((answer.body.len(), answer.end), (40_000, End::Cut));
    // A connection with a rest in it is of no more use.
    assert_eq!(receiver.connections(), 2);
}

#[tokio::test]
async fn nonsense_and_silence_are_told_apart_from_nobody() {
    for says in ["", "SMTP ready\r\n\r\n", "HTTP/1.1 2"] {
        let receiver = Receiver::new(says, Then::Close).await;
        let fault = dialer().send(Call::get(format!("{}?key=hunter2", receiver.url()))).await.unwrap_err();
        assert!(matches!(&fault, CallFault::Broken { host, .. } if host == "127.0.0.1"), "{fault:?}");
        assert!(!fault.to_string().contains("hunter2"), "{fault}");
    }
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let fault = dialer().send(Call::get(format!("http://127.0.0.1:{port}/hunter2"))).await.unwrap_err();
    assert!(matches!(&fault, CallFault::Connect { .. }) && !fault.is_permanent(), "{fault:?}");
    assert!(fault.to_string().contains("refused") && !fault.to_string().contains("hunter2"), "{fault}");
}

#[tokio::test]
async fn who_speaks_no_tls_is_told_apart_from_nobody() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    let mut guests = JoinSet::new();
    guests.spawn(async move {
        let (mut guest, _) = listener.accept().await.unwrap();
        guest.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        guest
    });
    let fault = dialer().send(Call::get(url).within(LONG)).await.unwrap_err();
    assert!(matches!(&fault, CallFault::Tls { .. }) && !fault.is_permanent(), "{fault:?}");
}

#[tokio::test]
async fn a_name_that_changes_its_mind_gains_nothing() {
    let says = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    let good = Receiver::new(says, Then::Close).await;
    let port = good.address.port();
    let evil = Receiver::at(Ipv4Addr::new(127, 0, 0, 2), port, "HTTP/1.1 200 OK\r\n\r\n", Then::Close).await;
    let names = Rebinding::new(&[&[[127, 0, 0, 1]], &[[127, 0, 0, 2]]]);
    let outbound = dialer_with(OutboundSettings::default(), Arc::clone(&names));
    let url = format!("http://rebinding.example:{port}/");
    // Once for the connection: between the judgement and the connection nobody asks again.
    let answer = outbound.send(Call::get(url.as_str())).await.unwrap();
    assert_eq!((answer.address.map(|address| address.ip()), names.asked()), (Some(IpAddr::from([127, 0, 0, 1])), 1));
    // And every further connection is judged anew.
    let fault = outbound.send(Call::get(url.as_str())).await.unwrap_err();
    assert!(fault.is_permanent() && fault.to_string().contains("leads to 127.0.0.2, which is loopback"), "{fault}");
    assert_eq!((names.asked(), evil.connections(), good.connections()), (2, 0, 1));
    // Of several addresses only the allowed one is tried, even if nobody is there.
    good.leave().await;
    let names = Rebinding::new(&[&[[127, 0, 0, 2], [127, 0, 0, 1]]]);
    let outbound = dialer_with(OutboundSettings::default(), names);
    let fault = outbound.send(Call::get(url)).await.unwrap_err();
    assert!(matches!(fault, CallFault::Connect { .. }), "{fault:?}");
    assert_eq!(evil.connections(), 0);
}

#[tokio::test]
async fn what_the_operator_wrote_is_called_wherever_it_is() {
    let receiver = Receiver::new("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Then::Close).await;
    let strict = Outbound::new(&OutboundSettings::default()).unwrap();
    assert!(strict.send(Call::get(receiver.url())).await.unwrap_err().is_permanent());
    assert!(strict.send_trusted(Call::get(receiver.url())).await.is_ok());
    for url in ["file:///etc/passwd", "http://u:p@127.0.0.1/", "nonsense"] {
        assert!(strict.send_trusted(Call::get(url)).await.unwrap_err().is_permanent(), "{url}");
    }
    assert_eq!(receiver.connections(), 1);
}

#[tokio::test]
async fn headers_of_the_connection_are_not_for_callers() {
    let receiver = Receiver::new("HTTP/1.1 200 OK\r\n\r\n", Then::Close).await;
    for name in [HOST, PROXY_AUTHORIZATION, HeaderName::from_static("transfer-encoding")] {
        let call = Call::get(receiver.url()).header(name.clone(), HeaderValue::from_static("hunter2"));
        let fault = dialer().send(call).await.unwrap_err();
        assert!(fault.is_permanent() && fault.to_string().contains(name.as_str()), "{fault}");
    }
    assert_eq!(receiver.connections(), 0);
}

#[tokio::test]
async fn a_proxy_is_used_for_all_but_what_is_near() {
    let proxy = Receiver::new("HTTP/1.1 204 By Proxy\r\n\r\n", Then::Stay).await;
    let near = Receiver::new("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Then::Close).await;
    let names = Rebinding::new(&[&[[127, 0, 0, 1]]]);
    let settings = OutboundSettings {
        proxy: Some(format!("http://proxy.example:{}", proxy.address.port())),
        proxy_login: Some(Secret::new("me:hunter2")),
        allow_hosts: "near.example".parse().unwrap(),
        ..OutboundSettings::default()
    };
    let outbound = dialer_with(settings, Arc::clone(&names));
    let status = |url: String| {
        let outbound = outbound.clone();
        async move { outbound.send(Call::get(url)).await.map(|answer| answer.status.as_u16()) }
    };
    assert_eq!(status("http://far.example/a?b".to_owned()).await, Ok(204));
    assert_eq!(status("http://1.1.1.1/".to_owned()).await, Ok(204));
    assert_eq!(status(near.url()).await, Ok(200));
    assert_eq!(status(format!("http://near.example:{}/", near.address.port())).await, Ok(200));
    // Under TLS a tunnel is asked for; this proxy gives none to speak of.
    let fault = status("https://far.example/a?b".to_owned()).await.unwrap_err();
    assert!(matches!(fault, CallFault::Connect { .. } | CallFault::Tls { .. }), "{fault:?}");
    // What shows is judged here all the same: the proxy is no way around.
    for url in ["http://127.0.0.2/", "http://169.254.169.254/", "http://localhost.localdomain:22/", "http://metadata/"]
    {
        assert!(status(url.to_owned()).await.unwrap_err().is_permanent(), "{url}");
    }
    let heard = proxy.heard();
    assert!(heard[0].starts_with("get http://far.example/a?b http/1.1\r\n"), "{heard:?}");
    assert!(heard[1].starts_with("get http://1.1.1.1/ http/1.1\r\n"), "{heard:?}");
    assert!(heard[2].starts_with("connect far.example:443 http/1.1\r\n"), "{heard:?}");
    // `me:hunter2`, as basic authentication has it, and in lower case as the receiver hears it.
    assert!(
        heard.iter().all(|heard| heard.contains("\r\nproxy-authorization: basic bwu6ahvudgvymg==\r\n")),
        "{heard:?}"
    );
    assert_eq!((heard.len(), near.connections()), (3, 2));
    assert!(near.heard().iter().all(|heard| !heard.contains("proxy-")), "{:?}", near.heard());
}

#[test]
fn what_cannot_be_used_is_named() {
    let unfit = |settings: OutboundSettings| Outbound::new(&settings).map(drop).unwrap_err().to_string();
    let ca_file = Some("/nowhere/ca.pem".into());
    assert!(unfit(OutboundSettings { ca_file, ..OutboundSettings::default() }).starts_with("[outbound] ca_file: "));
    for proxy in ["proxy:3128", "socks5://proxy", "http://u:hunter2@proxy"] {
        let said = unfit(OutboundSettings { proxy: Some(proxy.to_owned()), ..OutboundSettings::default() });
        assert!(said.starts_with("[outbound] proxy: ") && !said.contains("hunter2"), "{said}");
    }
}
