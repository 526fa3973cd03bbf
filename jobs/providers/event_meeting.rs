//! Meetings that come with an event of a calendar, as Google's do: the event is the meeting's, and the booking's.
//!
//! The event has the key of its booking, so whoever writes the booking into the same calendar writes into this event.

use std::time::Duration;

use tokio::time::sleep;

use super::{
    Answering, CalendarWriter, Draft, EventKey, EventMeeting, Fault, Made, Window,
    meeting::{Meeting, MeetingDraft, Meetings},
};

/// A meeting that is being made is mostly there at the second look.
const LOOKS: u32 = 5;
const BETWEEN_LOOKS: Duration = Duration::from_millis(500);

/// Meetings of whom this writes into a calendar of.
pub(crate) struct EventMeetings {
    writer: Box<dyn CalendarWriter>,
}

impl EventMeetings {
    pub(crate) fn new(writer: Box<dyn CalendarWriter>) -> Self {
        Self { writer }
    }

    async fn made(&self, draft: &MeetingDraft) -> Result<Meeting, Fault> {
        let draft = with_meeting(draft);
        let mut made = self.writer.create(&draft).await?;
        if made.differs {
            made = self.writer.update(&made.id, None, &draft).await?;
        }
        self.ready(made).await
    }

    async fn changed(&self, id: &str, draft: &MeetingDraft) -> Result<Option<Meeting>, Fault> {
        let made = self.writer.update(id, None, &with_meeting(draft)).await?;
        self.ready(made).await.map(Some)
    }

    async fn found(&self, key: &EventKey, around: Window) -> Result<Option<Meeting>, Fault> {
        let Some(made) = self.writer.find(key, around).await? else { return Ok(None) };
        // One of no meeting is the booking's all the same: an update gives it one.
        let (id, url) = (made.id.clone(), String::new());
        let meeting = match made.meeting {
            EventMeeting::Ready(join) => {
                Meeting { id, join_url: join.url, host_url: None, passcode: join.passcode, differs: true }
            }
            EventMeeting::None | EventMeeting::Pending | EventMeeting::Failed => {
                Meeting { id, join_url: url, host_url: None, passcode: None, differs: true }
            }
        };
        Ok(Some(meeting))
    }

    /// Wait a moment for a meeting that is being made.
    async fn ready(&self, mut made: Made) -> Result<Meeting, Fault> {
        for _ in 0..LOOKS {
            match made.meeting {
                EventMeeting::Ready(join) => {
                    let (join_url, passcode) = (join.url, join.passcode);
                    return Ok(Meeting { id: made.id, join_url, host_url: None, passcode, differs: false });
                }
                EventMeeting::Failed => return Err(refused("could not make the meeting of an event")),
                EventMeeting::None => return Err(refused("made the event, and no meeting with it")),
                EventMeeting::Pending => {
                    sleep(BETWEEN_LOOKS).await;
                    made = self.writer.look(&made.id).await?;
                }
            }
        }
        let why = "the calendar is still making the meeting of an event".to_owned();
        Err(Fault::Retry { after: Some(Duration::from_secs(10)), why })
    }
}

fn refused(what: &str) -> Fault {
    Fault::Refused { why: format!("the calendar {what}; the account may not be allowed to have meetings") }
}

fn with_meeting(draft: &MeetingDraft) -> Draft {
    Draft { with_meeting: true, ..draft.event.clone() }
}

impl Meetings for EventMeetings {
    fn create<'a>(&'a self, draft: &'a MeetingDraft) -> Answering<'a, Meeting> {
        Box::pin(self.made(draft))
    }

    fn update<'a>(&'a self, id: &'a str, draft: &'a MeetingDraft) -> Answering<'a, Option<Meeting>> {
        Box::pin(self.changed(id, draft))
    }

    fn remove<'a>(&'a self, id: &'a str) -> Answering<'a, ()> {
        // The invitations are the booking's, and so is the word that it is off.
        self.writer.remove_meeting(id)
    }

    fn find<'a>(&'a self, key: &'a EventKey, around: Window) -> Answering<'a, Option<Meeting>> {
        Box::pin(self.found(key, around))
    }
}
