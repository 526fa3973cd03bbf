//! Addresses: checked before anything is written into a header, and masked wherever people read them.

use std::{fmt, str::FromStr};

use lettre::{Address, message::Mailbox};
use serde::Deserialize;

/// Somebody mail goes to: an address, and perhaps a name. Its `Debug` is masked.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Recipient(pub(crate) Mailbox);

impl Recipient {
    pub(crate) fn address(&self) -> &Address {
        &self.0.email
    }

    /// By which the same mailbox is recognised: servers tell upper and lower case apart in theory only.
    pub(crate) fn key(&self) -> String {
        self.0.email.to_string().to_lowercase()
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&mask(self.address().as_ref()))
    }
}

impl TryFrom<String> for Recipient {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl FromStr for Recipient {
    type Err = String;

    /// `ann@example.org`, or `Ann <ann@example.org>`. What is wrong is said without the text, which is personal.
    fn from_str(text: &str) -> Result<Self, String> {
        one_line("the address", text)?;
        let mailbox: Mailbox = text
            .trim()
            .parse()
            .map_err(|_| "this is no mail address; write name@host.example, or Name <name@host.example>".to_owned())?;
        let (user, domain) = (mailbox.email.user(), mailbox.email.domain());
        if user.contains(|c: char| c.is_whitespace() || "<>\"(),:;[\\]".contains(c)) {
            return Err("the part of the address before the @ holds a mark that servers do not agree about".to_owned());
        }
        // As the domain name system knows it; an address in brackets is no name.
        let Ok(url::Host::Domain(domain)) = url::Host::parse(domain) else {
            return Err("the part of the address behind the @ is no name of a host".to_owned());
        };
        let email = Address::new(user, domain).map_err(|_| "this is no mail address".to_owned())?;
        Ok(Self(Mailbox::new(mailbox.name, email)))
    }
}

/// What ends up in a header stands on one line: else whoever wrote it could write headers of his own.
pub(crate) fn one_line(what: &str, text: &str) -> Result<(), String> {
    match text.chars().find(|c| c.is_control() || "\u{85}\u{2028}\u{2029}".contains(*c)) {
        Some('\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}') => {
            Err(format!("{what} holds a line break, with which headers could be forged; take it out"))
        }
        Some(_) => Err(format!("{what} holds a control character; take it out")),
        None => Ok(()),
    }
}

/// `a***@example.org`: enough to recognise it, too little to write to it.
pub(crate) fn mask(address: &str) -> String {
    match address.rsplit_once('@') {
        Some((user, domain)) => format!("{}***@{domain}", user.chars().next().map_or(String::new(), String::from)),
        None => "***".to_owned(),
    }
}

/// A text from outside with every address in it masked, on one line, and not longer than a person reads.
pub(crate) fn mask_all(text: &str) -> String {
    const MOST: usize = 300;
    let is_part = |c: char| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c);
    let mut shown = String::new();
    for word in text.split_inclusive(|c: char| c.is_whitespace() || "<>()[],;:\"".contains(c)) {
        let at = word.find('@').filter(|at| word[..*at].chars().all(is_part) && *at > 0);
        match (at, word.chars().next()) {
            (Some(at), Some(first)) => {
                shown.push(first);
                shown.push_str("***");
                shown.push_str(&word[at..]);
            }
            (_, _) => shown.push_str(word),
        }
    }
    let mut line: String = shown.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if let Some((cut, _)) = line.char_indices().nth(MOST) {
        line.truncate(cut);
        line.push('…');
    }
    line.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_comes_with_or_without_a_name_and_its_host_as_dns_knows_it() {
        let of = |text: &str| text.parse::<Recipient>().map(|found| found.0.email.to_string());
        assert_eq!(of("ann@example.org").unwrap(), "ann@example.org");
        assert_eq!(of("Ann Smith <ann@Example.ORG>").unwrap(), "ann@example.org");
        assert_eq!("Ann Smith <a@b.example>".parse::<Recipient>().unwrap().0.name.as_deref(), Some("Ann Smith"));
        assert_eq!(of("ann@bücher.example").unwrap(), "ann@xn--bcher-kva.example");
        assert_eq!(of("jörg@example.org").unwrap(), "jörg@example.org");
    }

    #[test]
    fn what_could_forge_a_header_or_a_command_is_refused_and_not_repeated() {
        for text in [
            "ann@example.org\r\nBcc: eve@evil.example",
            "ann@example.org\nBcc: eve@evil.example",
            "ann\0@example.org",
            "Ann\r\n <ann@example.org>",
            "ann@example.org\u{2028}Bcc: eve@evil.example",
            "\"a>b\"@example.org",
            "\"ann smith\"@example.org",
            "ann@example.org, eve@evil.example",
            "<ann@example.org> SIZE=1",
            "ann@[127.0.0.1]",
            "ann@127.0.0.1",
            "ann@exa mple.org",
            "ann",
            "@example.org",
            "ann@",
            "",
        ] {
            let refused = text.parse::<Recipient>().expect_err(text);
            assert!(!refused.contains("eve") && !refused.contains("ann"), "{text:?}: {refused}");
        }
    }

    #[test]
    fn addresses_are_masked_also_within_what_a_server_said() {
        assert_eq!(mask("ann.smith@example.org"), "a***@example.org");
        assert_eq!(
            mask_all("5.1.1 <ann.smith@example.org>: no\r\nsuch user bob+x@h.example, sorry"),
            "5.1.1 <a***@example.org>: no  such user b***@h.example, sorry"
        );
        assert_eq!(mask_all("mailto:ann@example.org@"), "mailto:a***@example.org@");
        assert_eq!(mask_all("@ home"), "@ home");
        assert_eq!(mask_all(&"x".repeat(400)).chars().count(), 301);
        assert_eq!(format!("{:?}", "ann@example.org".parse::<Recipient>().unwrap()), "a***@example.org");
    }
}
