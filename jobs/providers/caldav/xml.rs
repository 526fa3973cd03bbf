//! What servers say: XML, read by namespace, one response after the other.
//!
//! A document type is refused, so nothing is expanded; depth and number of elements are bounded, and of a long answer no
//! more than one response is held.

use quick_xml::{
    NsReader,
    events::{BytesRef, BytesStart, Event},
    name::ResolveResult,
};

/// A response has a handful; a list of privileges a dozen.
const MAX_ELEMENTS: usize = 2000;
const MAX_DEPTH: usize = 32;

/// Whose word it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Space {
    Dav,
    CalDav,
    CalendarServer,
    Other,
}

use Space::{CalDav, Dav};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) space: Space,
    pub(super) name: String,
    pub(super) text: String,
    pub(super) children: Vec<Element>,
}

impl Element {
    pub(super) fn is(&self, space: Space, name: &str) -> bool {
        self.space == space && self.name == name
    }

    pub(super) fn child(&self, space: Space, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.is(space, name))
    }

    pub(super) fn has(&self, space: Space, name: &str) -> bool {
        self.child(space, name).is_some()
    }

    /// The text of a child, without blanks around it.
    pub(super) fn said(&self, space: Space, name: &str) -> Option<&str> {
        self.child(space, name).map(|child| child.text.trim()).filter(|text| !text.is_empty())
    }

    /// The references in a child.
    pub(super) fn hrefs(&self, space: Space, name: &str) -> Vec<String> {
        let child = self.child(space, name);
        let hrefs = child.into_iter().flat_map(|child| child.children.iter()).filter(|href| href.is(Dav, "href"));
        hrefs.map(|href| href.text.trim().to_owned()).filter(|href| !href.is_empty()).collect()
    }

    /// Whether it or anything in it is this.
    pub(super) fn holds(&self, space: Space, name: &str) -> bool {
        self.is(space, name) || self.children.iter().any(|child| child.holds(space, name))
    }

    /// Whether a list of components has this one.
    pub(super) fn has_component(&self, name: &str) -> bool {
        self.children.iter().any(|child| child.is(CalDav, "comp") && child.text.eq_ignore_ascii_case(name))
    }
}

/// What is said of one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Response {
    pub(super) href: String,
    /// Of the resource as a whole.
    pub(super) status: Option<u16>,
    /// Of properties that it has not, or does not tell.
    pub(super) without: Option<u16>,
    /// What it has; properties that it has not are told of as well, and left out here.
    pub(super) has: Element,
}

impl Response {
    fn of(element: Element) -> Option<Self> {
        let href = element.said(Dav, "href")?.to_owned();
        let status = element.said(Dav, "status").and_then(status);
        let mut has = Element { space: Dav, name: "prop".to_owned(), text: String::new(), children: Vec::new() };
        let mut without = None;
        for propstat in element.children.into_iter().filter(|child| child.is(Dav, "propstat")) {
            let said = propstat.said(Dav, "status").and_then(self::status);
            if said.is_some_and(|status| !(200..300).contains(&status)) {
                without = without.max(said);
            } else {
                let props = propstat.children.into_iter().filter(|child| child.is(Dav, "prop"));
                has.children.extend(props.flat_map(|prop| prop.children));
            }
        }
        Some(Self { href, status, without, has })
    }
}

/// `HTTP/1.1 404 Not Found`
fn status(line: &str) -> Option<u16> {
    line.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// Why an answer is none.
pub(super) type Nonsense = &'static str;

/// Hand each response over as it comes, and return what else there is at the top.
pub(super) fn read(text: &[u8], mut each: impl FnMut(Response)) -> Result<Element, Nonsense> {
    let mut reader = NsReader::from_reader(text);
    reader.config_mut().expand_empty_elements = true;
    let mut open: Vec<Element> = Vec::new();
    let mut elements = 0;
    loop {
        let (space, event) = reader.read_resolved_event().map_err(|_| "XML that breaks its own rules")?;
        match event {
            Event::Start(start) => {
                elements += 1;
                if open.len() == MAX_DEPTH || elements > MAX_ELEMENTS {
                    return Err("XML that is too deep or too much");
                }
                open.push(begin(&space, &start)?);
            }
            Event::End(_) => {
                let element = open.pop().ok_or("XML that ends before it begins")?;
                let is_response = open.len() == 1 && element.is(Dav, "response");
                match open.last_mut() {
                    None => return Ok(element),
                    Some(_) if is_response => {
                        elements = 0;
                        if let Some(response) = Response::of(element) {
                            each(response);
                        }
                    }
                    Some(parent) => parent.children.push(element),
                }
            }
            Event::Text(more) => add(&mut open, &more.xml10_content()),
            Event::CData(more) => add(&mut open, &more.xml10_content()),
            Event::GeneralRef(reference) => add(&mut open, &resolve(&reference)?),
            Event::DocType(_) => return Err("XML with a document type, which is not read"),
            Event::Eof => return Err("XML that ends in the middle"),
            Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
        }
    }
}

fn begin(space: &ResolveResult<'_>, start: &BytesStart<'_>) -> Result<Element, Nonsense> {
    let space = match space {
        ResolveResult::Bound(namespace) => match namespace.as_ref() {
            "DAV:" => Dav,
            "urn:ietf:params:xml:ns:caldav" => CalDav,
            "http://calendarserver.org/ns/" => Space::CalendarServer,
            _ => Space::Other,
        },
        ResolveResult::Unbound | ResolveResult::Unknown(_) => Space::Other,
    };
    let name = start.local_name().into_inner().to_owned();
    let mut text = String::new();
    // The one attribute that matters: which component.
    if space == CalDav && name == "comp" {
        let attribute = start.try_get_attribute("name").map_err(|_| "XML that breaks its own rules")?;
        text = attribute.map(|name| name.value.into_owned()).unwrap_or_default();
    }
    Ok(Element { space, name, text, children: Vec::new() })
}

fn add(open: &mut [Element], text: &str) {
    if let Some(element) = open.last_mut() {
        element.text.push_str(text);
    }
}

/// A letter by its number, or one of the five that XML itself has names for.
fn resolve(reference: &BytesRef<'_>) -> Result<String, Nonsense> {
    if let Some(letter) = reference.resolve_char_ref().map_err(|_| "XML with a letter that is none")? {
        return Ok(letter.to_string());
    }
    let known = [("amp", "&"), ("lt", "<"), ("gt", ">"), ("quot", "\""), ("apos", "'")];
    let known = known.into_iter().find(|(known, _)| **reference == **known);
    known.map(|(_, letter)| letter.to_owned()).ok_or("XML with an entity, which is not read")
}

/// A text as it stands in XML.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            letter => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(text: &str) -> Result<(Element, Vec<Response>), Nonsense> {
        let mut responses = Vec::new();
        let rest = read(text.as_bytes(), |response| responses.push(response))?;
        Ok((rest, responses))
    }

    #[test]
    fn words_are_known_by_their_namespace_and_not_by_their_prefix() {
        let text = r#"<?xml version="1.0"?><x:multistatus xmlns:x="DAV:" xmlns="urn:ietf:params:xml:ns:caldav">
            <x:response><x:href>/a%20b/</x:href><x:propstat><x:prop><x:resourcetype><x:collection/><calendar/></x:resourcetype>
            <supported-calendar-component-set><comp name="VEVENT"/></supported-calendar-component-set>
            <getctag xmlns="http://calendarserver.org/ns/">&quot;1&amp;2&#33;&quot;</getctag></x:prop>
            <x:status>HTTP/1.1 200 OK</x:status></x:propstat><x:propstat><x:prop><x:sync-token/></x:prop>
            <x:status>HTTP/1.1 404 Not Found</x:status></x:propstat></x:response>
            <x:sync-token>http://e/<![CDATA[1&2]]></x:sync-token></x:multistatus>"#;
        let (rest, responses) = all(text).unwrap();
        assert_eq!(rest.said(Dav, "sync-token"), Some("http://e/1&2"));
        let [response] = &responses[..] else { panic!("{responses:?}") };
        assert_eq!((response.href.as_str(), response.status), ("/a%20b/", None));
        let kind = response.has.child(Dav, "resourcetype").unwrap();
        assert!(kind.has(Dav, "collection") && kind.has(CalDav, "calendar") && !kind.has(Dav, "calendar"));
        assert!(response.has.child(CalDav, "supported-calendar-component-set").unwrap().has_component("VEVENT"));
        assert_eq!(response.has.said(Space::CalendarServer, "getctag"), Some("\"1&2!\""));
        assert!(!response.has.has(Dav, "sync-token"));
    }

    #[test]
    fn what_is_no_answer_is_refused_and_never_expanded() {
        let deep = "<a>".repeat(100);
        let wide = format!("<a>{}</a>", "<b/>".repeat(3000));
        for text in [
            "",
            "hello",
            "<a>",
            "<a></b>",
            "<html><body><br></body></html>",
            "<!DOCTYPE a [<!ENTITY b \"ccc\">]><a>&b;</a>",
            "<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><a/>",
            "<a>&b;</a>",
            "<a>&#xFFFFFFFF;</a>",
            &deep,
            &wide,
        ] {
            assert!(all(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "[<>/&;a-c:='\" !\\[\\]#x0-9-]{0,200}") {
            let _ = all(&text);
        }

        #[test]
        fn a_text_is_read_as_it_was_written(text in "[ -~äß€]{0,40}") {
            let (rest, _) = all(&format!("<a xmlns='DAV:'><b>{}</b></a>", escape(&text))).unwrap();
            prop_assert_eq!(rest.said(Dav, "b").unwrap_or_default(), text.trim());
        }
    }
}
