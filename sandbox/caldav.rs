//! Somebody's calendar server: one calendar for each account, with everything that servers do differently from each other.
//!
//! It finds its way through XML by looking for words, which is enough for a client that writes what the standards show.
//! Objects are kept as they are put, in memory, and never read; a query for a stretch of time lists all of them.

use crate::desk::{Refusal, Said};
use crate::form::{base64, decode};
use crate::http::Request;
use crate::stand::{Call, Provider, Stand};
use std::collections::{BTreeMap, HashMap, VecDeque};

/// What a sync token begins with.
const TOKEN: &str = "https://sandbox.example/ns/sync/";
const NAMESPACES: &str =
    r#"xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav" xmlns:S="http://calendarserver.org/ns/""#;

/// A server of calendars.
#[derive(Debug, Default)]
pub struct CalDav {
    /// By account.
    calendars: HashMap<String, Shelf>,
    no_sync: bool,
    no_tag: bool,
    /// So many changes in one answer.
    most: Option<usize>,
    /// Older tokens are refused with this.
    refusal: u16,
    oldest: u64,
    /// What references begin with.
    host: String,
    /// Objects are stored as they should be, and not as they were sent.
    rewrites: bool,
    /// By name, what is said of an object in its place; nothing at all, if none.
    withheld: HashMap<String, VecDeque<Option<u16>>>,
    /// Where the well-known place leads.
    leads_to: Option<String>,
}

/// One calendar.
#[derive(Debug, Default)]
struct Shelf {
    revision: u64,
    /// By name, with when it was changed; without an object when it is gone.
    resources: BTreeMap<String, (u64, Option<String>)>,
}

impl Shelf {
    fn put(&mut self, name: &str, object: Option<&str>) -> u64 {
        self.revision += 1;
        self.resources.insert(name.to_owned(), (self.revision, object.map(str::to_owned)));
        self.revision
    }

    fn get(&self, name: &str) -> Option<(u64, &str)> {
        let (revision, object) = self.resources.get(name)?;
        object.as_deref().map(|object| (*revision, object))
    }
}

impl Stand<CalDav> {
    /// What a user types.
    #[must_use]
    pub fn url(&self) -> String {
        self.desk().url("/")
    }

    #[must_use]
    pub fn calendar_url(&self, who: &str) -> String {
        self.desk().url(&format!("/dav/{who}/work/"))
    }

    /// Take this login.
    pub fn admit(&self, who: &str, password: &str) {
        self.desk().admit(&base64(&format!("{who}:{password}")), who);
    }

    /// Put an object into the calendar of `who`, or in the place of one.
    pub fn put(&self, who: &str, name: &str, object: &str) {
        self.provider().of(who).put(name, Some(object));
    }

    pub fn remove(&self, who: &str, name: &str) {
        self.provider().of(who).put(name, None);
    }

    /// An object as it stands.
    #[must_use]
    pub fn get(&self, who: &str, name: &str) -> Option<String> {
        self.provider().of(who).get(name).map(|(_, object)| object.to_owned())
    }

    /// Names of all that is there, in order.
    #[must_use]
    pub fn names(&self, who: &str) -> Vec<String> {
        let mut server = self.provider();
        let there = server.of(who).resources.iter().filter(|(_, (_, object))| object.is_some());
        there.map(|(name, _)| name.clone()).collect()
    }

    /// Be one that knows no sync-collection; and perhaps no tag of a calendar.
    pub fn no_sync(&self, tag: bool) {
        let mut state = self.provider();
        (state.no_sync, state.no_tag) = (true, !tag);
    }

    /// Say no more than so many changes at once.
    pub fn truncate(&self, most: usize) {
        self.provider().most = Some(most);
    }

    /// Take no token any more that was given so far, and say so with this status.
    pub fn forget_tokens(&self, status: u16) {
        let mut state = self.provider();
        let newest = state.calendars.values().map(|calendar| calendar.revision).max().unwrap_or(0);
        // A revision more, so that even the newest is too old.
        state.calendars.values_mut().for_each(|calendar| calendar.revision += 1);
        (state.refusal, state.oldest) = (status, newest + 1);
    }

    /// Write references with the host in front, as those do that have many.
    pub fn absolute(&self) {
        self.provider().host = self.desk().url("");
    }

    /// Store what is put in other words, and name no version of it.
    pub fn rewrite(&self) {
        self.provider().rewrites = true;
    }

    /// Do not give the object of this name, one time for each of these: say this status of it, or, if none, nothing.
    pub fn withhold(&self, name: &str, times: impl IntoIterator<Item = Option<u16>>) {
        self.provider().withheld.entry(name.to_owned()).or_default().extend(times);
    }

    /// The well-known place leads there.
    pub fn lead_to(&self, url: &str) {
        self.provider().leads_to = Some(url.to_owned());
    }
}

fn multistatus(inner: &str) -> Said {
    let body = format!(r#"<?xml version="1.0" encoding="utf-8"?><multistatus {NAMESPACES}>{inner}</multistatus>"#);
    Said { status: 207, headers: vec![("Content-Type", "application/xml; charset=utf-8".to_owned())], body }
}

fn error(status: u16, condition: &str) -> Said {
    let body = format!("<error {NAMESPACES}><{condition}/></error>");
    Said { status, headers: vec![("Content-Type", "application/xml; charset=utf-8".to_owned())], body }
}

fn found(href: &str, props: &str) -> String {
    format!(
        "<response><href>{href}</href><propstat><prop>{props}</prop><status>HTTP/1.1 200 OK</status></propstat>\
         <propstat><prop><displayname/></prop><status>HTTP/1.1 404 Not Found</status></propstat></response>"
    )
}

fn gone(href: &str, status: u16) -> String {
    format!("<response><href>{href}</href><status>HTTP/1.1 {status} Said</status></response>")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('\r', "&#13;")
}

/// What stands between two words, wherever it stands.
fn between<'a>(text: &'a str, start: &str, end: &str) -> Vec<&'a str> {
    text.split(start).skip(1).filter_map(|rest| rest.split(end).next()).collect()
}

impl CalDav {
    fn of(&mut self, who: &str) -> &mut Shelf {
        self.calendars.entry(who.to_owned()).or_default()
    }

    fn calendar(&mut self, who: &str, name: &str, component: &str, may: &str) -> String {
        let revision = self.of(who).revision;
        let reports = if self.no_sync { "calendar-multiget" } else { "sync-collection" };
        let tag = if self.no_tag { String::new() } else { format!("<S:getctag>\"{revision}\"</S:getctag>") };
        let props = format!(
            "<resourcetype><collection/><C:calendar/></resourcetype>{tag}\
             <C:supported-calendar-component-set><C:comp name=\"{component}\"/></C:supported-calendar-component-set>\
             <supported-report-set><supported-report><report><{reports}/></report></supported-report></supported-report-set>\
             <current-user-privilege-set><privilege><{may}/></privilege></current-user-privilege-set>\
             <C:calendar-timezone>BEGIN:VCALENDAR\nBEGIN:VTIMEZONE\nTZID:Europe/Berlin\nEND:VTIMEZONE\nEND:VCALENDAR\n</C:calendar-timezone>"
        );
        found(&format!("{}/dav/{who}/{name}/", self.host), &props)
    }

    fn look(&mut self, who: &str, path: &str, depth: &str) -> Said {
        let host = self.host.clone();
        if path == "/.well-known/caldav" {
            let to = self.leads_to.clone().unwrap_or_else(|| "/dav/".to_owned());
            return Said::empty(301).header("Location", to);
        }
        let principal = format!("/principals/{who}/");
        let home = format!("/dav/{who}/");
        if path == "/dav/" {
            let mine = format!("<current-user-principal><href>{principal}</href></current-user-principal>");
            return multistatus(&found("/dav/", &mine));
        }
        if path == principal {
            let props = format!(
                "<C:calendar-home-set><href>{host}{home}</href></C:calendar-home-set>\
                 <C:calendar-user-address-set><href>MAILTO:{who}@Example.com</href></C:calendar-user-address-set>"
            );
            return multistatus(&found(&principal, &props));
        }
        if path == home && depth == "1" {
            let all = [("work", "VEVENT", "write"), ("tasks", "VTODO", "write"), ("shared", "VEVENT", "read")];
            let all: String = all.into_iter().map(|(name, what, may)| self.calendar(who, name, what, may)).collect();
            return multistatus(&(found(&home, "<resourcetype><collection/></resourcetype>") + &all));
        }
        if path == format!("{home}work/") {
            return multistatus(&self.calendar(who, "work", "VEVENT", "write"));
        }
        Said::empty(404)
    }

    fn report(&mut self, who: &str, body: &str) -> Said {
        if body.contains("sync-collection") {
            return self.sync(who, body);
        }
        let base = format!("{}/dav/{who}/work/", self.host);
        let mut withheld = std::mem::take(&mut self.withheld);
        let calendar = self.of(who);
        let mut text = String::new();
        if body.contains("calendar-multiget") {
            for href in between(body, "<d:href>", "</d:href>") {
                let name = decode(href.rsplit('/').next().unwrap_or_default());
                if let Some(instead) = withheld.get_mut(&name).and_then(VecDeque::pop_front) {
                    text += &instead.map(|status| gone(href, status)).unwrap_or_default();
                    continue;
                }
                text += &match calendar.get(&name) {
                    Some((version, object)) => {
                        let data = escape(object);
                        let props =
                            format!("<getetag>\"{version}\"</getetag><C:calendar-data>{data}</C:calendar-data>");
                        found(&format!("{base}{}", href.rsplit('/').next().unwrap_or_default()), &props)
                    }
                    None => gone(href, 404),
                };
            }
        } else {
            for (name, (version, _)) in calendar.resources.iter().filter(|(_, (_, object))| object.is_some()) {
                text += &found(&format!("{base}{name}"), &format!("<getetag>\"{version}\"</getetag>"));
            }
        }
        self.withheld = withheld;
        multistatus(&text)
    }

    fn sync(&mut self, who: &str, body: &str) -> Said {
        if self.no_sync {
            return error(403, "supported-report");
        }
        let token = between(body, "<d:sync-token>", "</d:sync-token>").first().copied().unwrap_or_default();
        let since = match token.strip_prefix(TOKEN).map(str::parse::<u64>) {
            Some(Ok(since)) if since >= self.oldest => since,
            None if token.is_empty() => 0,
            _ => return error(if self.refusal == 0 { 403 } else { self.refusal }, "valid-sync-token"),
        };
        let (most, base) = (self.most.unwrap_or(usize::MAX), format!("{}/dav/{who}/work/", self.host));
        let calendar = self.of(who);
        let mut changed: Vec<_> = calendar.resources.iter().filter(|(_, (revision, _))| *revision > since).collect();
        changed.sort_by_key(|(_, (revision, _))| *revision);
        let is_cut = changed.len() > most;
        changed.truncate(most);
        let until =
            if is_cut { changed.last().map_or(since, |(_, (revision, _))| *revision) } else { calendar.revision };
        let mut text = String::new();
        for (name, (version, object)) in changed {
            let href = format!("{base}{name}");
            text += &match object {
                Some(_) => found(&href, &format!("<getetag>\"{version}\"</getetag>")),
                // A first list has none that are gone.
                None if since == 0 => String::new(),
                None => gone(&href, 404),
            };
        }
        if is_cut {
            text += &gone(&base, 507);
        }
        multistatus(&format!("{text}<sync-token>{TOKEN}{until}</sync-token>"))
    }

    fn put(&mut self, who: &str, name: &str, request: &Request) -> Said {
        let rewrites = self.rewrites;
        let calendar = self.of(who);
        let known = calendar.get(name).map(|(version, _)| format!("\"{version}\""));
        let is_new = request.header("if-none-match") == Some("*");
        let expected = request.header("if-match");
        if (is_new && known.is_some()) || (expected.is_some() && expected != known.as_deref()) {
            return Said::empty(412);
        }
        let mut object = String::from_utf8_lossy(&request.body).into_owned();
        if rewrites {
            object = object.replace("END:VEVENT", "X-STORED-BY:sandbox\r\nEND:VEVENT");
        }
        let version = calendar.put(name, Some(&object));
        let said = Said::empty(if known.is_some() { 204 } else { 201 });
        if rewrites { said } else { said.header("ETag", format!("\"{version}\"")) }
    }
}

impl Provider for CalDav {
    const BASE: &'static str = "/";

    fn answer(&mut self, who: &str, call: &Call<'_>) -> Said {
        let request = call.request;
        let path = decode(&request.path);
        let is_xml = request.header("content-type").is_some_and(|content| content.starts_with("application/xml"));
        let name = path.strip_prefix(&format!("/dav/{who}/work/")).map(str::to_owned);
        match (request.method.as_str(), name) {
            ("PROPFIND" | "REPORT", _) if !is_xml => Said::empty(415),
            ("PROPFIND", _) => self.look(who, &path, request.header("depth").unwrap_or("infinity")),
            ("REPORT", Some(name)) if name.is_empty() => self.report(who, &String::from_utf8_lossy(&request.body)),
            ("GET", Some(name)) => match self.of(who).get(&name) {
                Some((version, object)) => Said {
                    status: 200,
                    headers: vec![("ETag", format!("\"{version}\"")), ("Content-Type", "text/calendar".to_owned())],
                    body: object.to_owned(),
                },
                None => Said::empty(404),
            },
            ("PUT", Some(name)) => self.put(who, &name, request),
            ("DELETE", Some(name)) if self.of(who).get(&name).is_some() => {
                self.of(who).put(&name, None);
                Said::empty(204)
            }
            (_, Some(_)) => Said::empty(404),
            (_, None) => Said::empty(405),
        }
    }

    /// Names are those of whoever puts, and versions are never those of another server: its place is a new one.
    fn count_from(&mut self, _number: u32) {}

    fn refuse(refusal: Refusal) -> Said {
        match refusal {
            Refusal::Unauthorized => Said::empty(401).header("WWW-Authenticate", "Basic realm=\"sandbox\""),
            Refusal::TooMany { after } => match after {
                Some(after) => Said::empty(429).header("Retry-After", after.to_string()),
                None => Said::empty(429),
            },
            Refusal::Crowded => Said::empty(503),
            Refusal::Status(status) => Said::empty(status),
        }
    }
}
