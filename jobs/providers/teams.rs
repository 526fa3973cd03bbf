//! Meetings of Teams: made under our key, so making one twice is making it once.

use super::{
    Answering, EventKey, Fault, Microsoft, OnlineMeeting, Window,
    meeting::{Meeting, MeetingDraft, Meetings},
};

pub(crate) struct Teams {
    client: Microsoft,
}

impl Teams {
    pub(crate) fn new(client: Microsoft) -> Self {
        Self { client }
    }

    async fn made(&self, draft: &MeetingDraft) -> Result<Meeting, Fault> {
        let event = &draft.event;
        let made = self.client.create_or_get_meeting(&event.key, &event.title, (event.start, event.end)).await?;
        let is_as_wanted = made.start == Some(event.start)
            && made.end == Some(event.end)
            && made.subject.as_deref().is_none_or(|subject| subject == event.title);
        if made.was_there && !is_as_wanted {
            return self.changed(&made.id, draft).await;
        }
        Ok(meeting(made))
    }

    async fn changed(&self, id: &str, draft: &MeetingDraft) -> Result<Meeting, Fault> {
        let event = &draft.event;
        self.client.update_meeting(id, &event.title, (event.start, event.end)).await.map(meeting)
    }

    /// It cannot be asked whether there is one. But making one is seen by nobody and told to nobody, and whoever looks
    /// either wants one or takes it away.
    async fn found(&self, key: &EventKey, around: Window) -> Result<Option<Meeting>, Fault> {
        let made = self.client.create_or_get_meeting(key, "", (around.from, around.to)).await?;
        Ok(Some(Meeting { differs: true, ..meeting(made) }))
    }
}

fn meeting(made: OnlineMeeting) -> Meeting {
    let OnlineMeeting { id, join_url, passcode, .. } = made;
    Meeting { id, join_url, host_url: None, passcode, differs: false }
}

impl Meetings for Teams {
    fn create<'a>(&'a self, draft: &'a MeetingDraft) -> Answering<'a, Meeting> {
        Box::pin(self.made(draft))
    }

    fn update<'a>(&'a self, id: &'a str, draft: &'a MeetingDraft) -> Answering<'a, Option<Meeting>> {
        Box::pin(async { self.changed(id, draft).await.map(Some) })
    }

    fn remove<'a>(&'a self, id: &'a str) -> Answering<'a, ()> {
        Box::pin(self.client.remove_meeting(id))
    }

    fn find<'a>(&'a self, key: &'a EventKey, around: Window) -> Answering<'a, Option<Meeting>> {
        Box::pin(self.found(key, around))
    }
}
