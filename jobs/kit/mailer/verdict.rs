//! What a server's refusal means: whose fault it is, and whether asking again can help. Pure.

/// Where in the conversation it was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// The greeting, the hello, and what makes the line safe.
    Connect,
    Login,
    Sender,
    Recipient,
    /// Before the text, and after it.
    Text,
}

/// What to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Ask again, later.
    Later,
    /// Never. `nobody`: there is nobody of this address, so nothing else need be sent there.
    Never { nobody: bool },
    /// Neither the letter's fault nor the recipient's: the configuration is wrong, and somebody has to mend it.
    Misconfigured,
}

/// Of a reply that is neither 2xx nor 3xx.
pub(crate) fn judge(step: Step, code: u16, said: &str) -> Verdict {
    // 530 wants TLS or a login first, 534, 535 and 538 do not like the login that there was.
    if matches!(code, 530 | 534 | 535 | 538) {
        return Verdict::Misconfigured;
    }
    if code < 500 {
        return Verdict::Later;
    }
    match step {
        // A server that takes nothing at all today may do so tomorrow.
        Step::Connect => Verdict::Later,
        // Too large is the letter's fault; a sender that is not allowed is the configuration's.
        Step::Sender if code == 552 => Verdict::Never { nobody: false },
        Step::Login | Step::Sender => Verdict::Misconfigured,
        Step::Recipient => Verdict::Never { nobody: is_nobody(code, said) },
        Step::Text => Verdict::Never { nobody: false },
    }
}

/// Whether a refused recipient does not exist, rather than being out of bounds for us.
fn is_nobody(code: u16, said: &str) -> bool {
    let said = said.to_lowercase();
    if let Some(enhanced) = enhanced(&said) {
        // 5.1.x: bad address. 5.1.7 and 5.1.8 are about the sender's.
        return enhanced[0] == 5 && enhanced[1] == 1 && !matches!(enhanced[2], 7 | 8);
    }
    let policy = ["relay", "authenticat", "policy", "spam", "block", "denied", "blacklist", "reputation", "full"];
    matches!(code, 550 | 551 | 553) && !policy.iter().any(|word| said.contains(word))
}

/// `5.1.1`, if the text begins with such a code.
fn enhanced(said: &str) -> Option<[u16; 3]> {
    let mut parts = said.split_whitespace().next()?.split('.').map(|part| part.parse().ok());
    let code = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_address_without_anybody_is_suppressed() {
        use Step::{Connect, Login, Recipient, Sender, Text};
        use Verdict::{Later, Misconfigured, Never};
        let (nobody, never) = (Never { nobody: true }, Never { nobody: false });
        for (step, code, said, verdict) in [
            (Connect, 421, "4.3.2 closing", Later),
            (Connect, 554, "no service", Later),
            (Login, 535, "5.7.8 bad credentials", Misconfigured),
            (Login, 454, "4.7.0 try later", Later),
            (Login, 504, "no such mechanism", Misconfigured),
            (Sender, 530, "5.7.0 must issue STARTTLS first", Misconfigured),
            (Sender, 553, "5.7.1 sender not owned", Misconfigured),
            (Sender, 552, "5.3.4 too large", never),
            (Sender, 451, "later", Later),
            (Recipient, 450, "4.2.0 greylisted", Later),
            (Recipient, 452, "too many recipients", Later),
            (Recipient, 550, "5.1.1 no such user", nobody),
            (Recipient, 550, "No such user here", nobody),
            (Recipient, 553, "mailbox name not allowed", nobody),
            (Recipient, 556, "5.1.10 null MX", nobody),
            (Recipient, 550, "5.7.1 relaying denied", never),
            (Recipient, 550, "relay access denied", never),
            (Recipient, 550, "5.2.1 mailbox disabled", never),
            (Recipient, 550, "blocked by our policy", never),
            (Recipient, 553, "5.1.8 sender's domain unknown", never),
            (Recipient, 552, "mailbox full", never),
            (Recipient, 535, "5.7.8 authenticate", Misconfigured),
            (Text, 554, "5.7.1 spam", never),
            (Text, 550, "5.1.1 no such user", never),
            (Text, 452, "disk full", Later),
        ] {
            assert_eq!(judge(step, code, said), verdict, "{step:?} {code} {said}");
        }
    }
}
