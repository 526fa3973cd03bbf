//! What other clients do at a calendar server, done by hand: a folder, an object, what is there.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpStream},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    PATIENCE,
    radicale::{PASSWORD, Radicale, USER},
};

impl Radicale {
    /// A calendar for events, by its name; its path.
    pub(crate) fn calendar(&self, name: &str) -> String {
        let body = r#"<C:mkcalendar xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><set><prop><C:supported-calendar-component-set><C:comp name="VEVENT"/></C:supported-calendar-component-set></prop></set></C:mkcalendar>"#;
        let path = format!("/{USER}/{name}/");
        let (status, said) = self.ask("MKCALENDAR", &path, "application/xml", body);
        assert_eq!(status, 201, "{path}: {said}");
        path
    }

    /// Put an object at this path.
    pub(crate) fn put(&self, path: &str, object: &str) {
        let (status, said) = self.ask("PUT", path, "text/calendar; charset=utf-8", object);
        assert!((200..300).contains(&status), "{path}: {status} {said}");
    }

    pub(crate) fn delete(&self, path: &str) {
        let (status, said) = self.ask("DELETE", path, "text/calendar", "");
        assert!((200..300).contains(&status), "{path}: {status} {said}");
    }

    /// All objects of a calendar in one text, and how many there are.
    pub(crate) fn all(&self, path: &str) -> (usize, String) {
        let (status, text) = self.ask("GET", path, "text/calendar", "");
        assert_eq!(status, 200, "{path}: {text}");
        (text.matches("BEGIN:VEVENT").count(), text)
    }

    fn ask(&self, method: &str, path: &str, kind: &str, body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).expect("radicale listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let login = STANDARD.encode(format!("{USER}:{PASSWORD}"));
        let head = format!(
            "{method} {path} HTTP/1.0\r\nAuthorization: Basic {login}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes())).expect("ask radicale");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("radicale answers");
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        (status, answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
    }
}
