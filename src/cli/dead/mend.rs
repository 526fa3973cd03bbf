//! An envelope on its way back: its arguments replaced, if that was asked for, and everything else as it was sent.

use std::collections::BTreeMap;

use liaison_queue::{
    clock::Millis,
    envelope::{Envelope, Limits},
};
use liaison_store::DeadLetter;
use serde_json::value::RawValue;

use crate::cli::words;

/// An envelope that can go back, and what a person should hear about it.
#[derive(Debug)]
pub(super) struct Mended {
    pub(super) envelope: Vec<u8>,
    pub(super) warning: Option<String>,
}

/// The reason why it cannot go back is for people, and names the remedy.
pub(super) fn mend(
    letter: &DeadLetter,
    envelope: Vec<u8>,
    args: Option<&RawValue>,
    limits: Limits,
    now: Millis,
) -> Result<Mended, String> {
    let Some(args) = args else {
        let warning = warning(letter, &envelope, limits, now);
        return Ok(Mended { envelope, warning });
    };
    // Raw values: numbers and texts that we do not touch keep every digit and every escape.
    let mut fields: BTreeMap<String, Box<RawValue>> = serde_json::from_slice(&envelope)
        .map_err(|fault| format!("its envelope is no JSON object ({fault}); new arguments cannot mend that: discard it, and send the job anew"))?;
    fields.insert("args".to_owned(), args.to_owned());
    let envelope = serde_json::to_vec(&fields).map_err(|fault| format!("its envelope cannot be written: {fault}"))?;
    let judged = Envelope::judge(&envelope, limits)
        .map_err(|refusal| format!("with the new arguments it is refused: {refusal}"))?;
    if let Ok(entry) = liaison_jobs::find(judged.job.as_str(), true) {
        (entry.check)(args.get())?;
    }
    let warning = warning(letter, &envelope, limits, now);
    Ok(Mended { envelope, warning })
}

/// What will keep it from doing any better than before.
fn warning(letter: &DeadLetter, envelope: &[u8], limits: Limits, now: Millis) -> Option<String> {
    match Envelope::judge(envelope, limits) {
        // What was accepted once is never refused for its size later.
        Err(refusal) if letter.name.is_empty() => {
            Some(format!("it is malformed and will be buried again unless it is mended: {refusal}"))
        }
        Err(_) => None,
        Ok(judged) => judged.expires_at.filter(|end| *end <= now).map(|end| {
            format!("its time was over at {}, so it will leave as expired without running", words::date(end.date()))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(name: &str) -> DeadLetter {
        let at = chrono::DateTime::UNIX_EPOCH;
        DeadLetter {
            job_id: "a".into(),
            name: name.into(),
            queue: "default".into(),
            reason: "failed".into(),
            attempts: 1,
            crashes: 0,
            runs: 1,
            enqueued_at: at,
            buried_at: at,
        }
    }

    fn mended(envelope: &str, args: Option<&str>) -> Result<Mended, String> {
        let args = args.map(|args| RawValue::from_string(args.to_owned()).unwrap());
        let name = if envelope.contains("job") { "echo" } else { "" };
        mend(&letter(name), envelope.into(), args.as_deref(), Limits::default(), Millis(1000))
    }

    #[test]
    fn without_new_arguments_every_byte_stays() {
        let envelope = "{ \"job\": \"echo\",\n \"x\": 1.0e2 }";
        let mended = mended(envelope, None).unwrap();
        assert_eq!((mended.envelope.as_slice(), mended.warning), (envelope.as_bytes(), None));
    }

    #[test]
    fn new_arguments_replace_the_old_and_nothing_else() {
        let envelope = r#"{"id":"a/1","job":"echo","args":{"old":1},"from_the_future":12345678901234567890.10}"#;
        let mended = mended(envelope, Some("[2]")).unwrap();
        let expected = r#"{"args":[2],"from_the_future":12345678901234567890.10,"id":"a/1","job":"echo"}"#;
        assert_eq!(String::from_utf8(mended.envelope).unwrap(), expected);
    }

    #[test]
    fn what_new_arguments_cannot_mend_is_refused_and_says_so() {
        assert!(mended("not json", Some("{}")).unwrap_err().contains("no JSON object"));
        assert!(mended("{}", Some("{}")).unwrap_err().contains("job: missing"));
        assert!(mended(r#"{"job":"sleep"}"#, Some(r#"{"ms":"a"}"#)).unwrap_err().contains("args.ms"));
    }

    #[test]
    fn who_revives_in_vain_is_warned() {
        assert!(mended("not json", None).unwrap().warning.unwrap().contains("buried again"));
        assert!(mended(r#"{"job":"echo","expires_at":999}"#, None).unwrap().warning.unwrap().contains("expired"));
    }
}
