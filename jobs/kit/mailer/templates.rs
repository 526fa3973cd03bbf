//! Texts with places to fill: `{{name}}`, and nothing more. In HTML what is filled in is escaped.
//!
//! The operator's folder wins over what is built in, file by file: `NAME.subject.txt`, `NAME.txt`, `NAME.html`. A name
//! that is not built in is a template of its own, with at least the first two. All is read and checked at the start.

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::{Map, Value};

use super::{
    builtin::{BUILTIN, Builtin},
    letter::Content,
};

/// The largest file, in bytes.
const MAX_FILE: usize = 64 << 10;
/// The most files in the folder.
const MAX_FILES: usize = 500;

/// All that can be filled.
#[derive(Debug, Clone)]
pub struct Templates(BTreeMap<String, Template>);

#[derive(Debug, Clone, Default)]
struct Template {
    /// None: of the operator's own making, so that any field may be named.
    fields: Option<&'static [&'static str]>,
    subject: Option<Vec<Piece>>,
    text: Option<Vec<Piece>>,
    html: Option<Vec<Piece>>,
}

#[derive(Debug, Clone, PartialEq)]
enum Piece {
    Text(String),
    Field(String),
}

impl Templates {
    /// What is built in, with the operator's files laid over it.
    ///
    /// # Errors
    /// All that is wrong with those, each with its file.
    pub fn read(folder: Option<&Path>) -> Result<Self, Vec<String>> {
        let mut all: BTreeMap<String, Template> = BUILTIN.iter().map(built_in).collect();
        let Some(folder) = folder else { return Ok(Self(all)) };
        let mut wrong = Vec::new();
        let entries = fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let mut paths = match entries {
            Ok(entries) if entries.len() > MAX_FILES => {
                return Err(vec![format!("{} holds more than {MAX_FILES} files", folder.display())]);
            }
            Ok(entries) => entries.into_iter().map(|entry| entry.path()).collect::<Vec<_>>(),
            Err(fault) => return Err(vec![format!("{} cannot be read: {fault}", folder.display())]),
        };
        paths.sort();
        for path in paths {
            if let Err(problem) = lay(&mut all, &path) {
                wrong.push(format!("{}: {problem}", path.display()));
            }
        }
        for (name, template) in &all {
            for (part, file) in [(&template.subject, "subject.txt"), (&template.text, "txt")] {
                if part.is_none() {
                    let place = folder.join(format!("{name}.{file}"));
                    wrong.push(format!("{} is missing: a template needs a subject and a text", place.display()));
                }
            }
        }
        if wrong.is_empty() { Ok(Self(all)) } else { Err(wrong) }
    }

    /// Fill one.
    ///
    /// # Errors
    /// When there is none of this name, or a field is missing.
    pub(crate) fn fill(&self, name: &str, data: &Map<String, Value>) -> Result<Content, String> {
        let template = self.0.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.0.keys().map(String::as_str).collect();
            format!("there is no template of this name; there are {}", known.join(", "))
        })?;
        let fill = |pieces: &[Piece], escape: fn(&str) -> String| -> Result<String, String> {
            pieces.iter().map(|piece| piece.fill(name, template, data, escape)).collect()
        };
        let (subject, text) = (template.subject.as_deref(), template.text.as_deref());
        let subject = fill(subject.unwrap_or_default(), str::to_owned)?.trim_end().to_owned();
        let text = fill(text.unwrap_or_default(), str::to_owned)?;
        let html = match &template.html {
            Some(html) => fill(html, escape)?,
            None => as_html(&text),
        };
        Ok(Content { subject, text, html: Some(html) })
    }
}

fn built_in(builtin: &Builtin) -> (String, Template) {
    let read =
        |text| parse(text, Some(builtin.fields)).unwrap_or_else(|fault| unreachable!("{}: {fault}", builtin.name));
    let (subject, text) = (Some(read(builtin.subject)), Some(read(builtin.text)));
    (builtin.name.to_owned(), Template { fields: Some(builtin.fields), subject, text, html: None })
}

/// Read one file of the operator's.
fn lay(all: &mut BTreeMap<String, Template>, path: &Path) -> Result<(), String> {
    let name = path.file_name().and_then(|name| name.to_str()).ok_or("its name is not UTF-8")?;
    // What editors leave.
    if name.starts_with('.') || name.ends_with('~') {
        return Ok(());
    }
    let parts = [(".subject.txt", 0), (".txt", 1), (".html", 2)];
    let (name, part) = parts
        .into_iter()
        .find_map(|(ending, part)| Some((name.strip_suffix(ending)?, part)))
        .ok_or("is no template; names end with .subject.txt, .txt or .html")?;
    if !is_name(name) {
        return Err("is no name of a template: lower case letters, digits and _ only".to_owned());
    }
    let text = fs::read_to_string(path).map_err(|fault| format!("cannot be read: {fault}"))?;
    if text.len() > MAX_FILE {
        return Err(format!("is {} bytes long; the most is {MAX_FILE}", text.len()));
    }
    let template = all.entry(name.to_owned()).or_default();
    let text = if part == 0 { text.trim() } else { &text };
    if part == 0 && text.contains(['\r', '\n']) {
        return Err("a subject is one line".to_owned());
    }
    let pieces = Some(parse(text, template.fields)?);
    match part {
        0 => template.subject = pieces,
        1 => template.text = pieces,
        _ => template.html = pieces,
    }
    Ok(())
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

fn parse(text: &str, fields: Option<&[&str]>) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let line = || text[..text.len() - after.len()].lines().count();
        let (field, behind) =
            after.split_once("}}").ok_or_else(|| format!("line {}: `{{{{` without `}}}}`", line()))?;
        let field = field.trim();
        if !is_name(field) || fields.is_some_and(|fields| !fields.contains(&field)) {
            let known = fields.map_or("lower case letters, digits and _".to_owned(), |fields| fields.join(", "));
            let shown: String = field.chars().take(40).collect();
            return Err(format!(
                "line {}: `{{{{{shown}}}}}` is nothing that can be filled in; there is: {known}",
                line()
            ));
        }
        pieces.push(Piece::Text(before.to_owned()));
        pieces.push(Piece::Field(field.to_owned()));
        rest = behind;
    }
    pieces.push(Piece::Text(rest.to_owned()));
    Ok(pieces)
}

impl Piece {
    fn fill(
        &self,
        name: &str,
        template: &Template,
        data: &Map<String, Value>,
        escape: fn(&str) -> String,
    ) -> Result<String, String> {
        match self {
            Self::Text(text) => Ok(text.clone()),
            Self::Field(field) => match data.get(field) {
                Some(Value::String(text)) => Ok(escape(text)),
                Some(Value::Number(number)) => Ok(number.to_string()),
                Some(Value::Bool(value)) => Ok(value.to_string()),
                Some(Value::Array(_) | Value::Object(_)) => {
                    Err(format!("`{field}` is filled in as text, so it must be a string, a number or true or false"))
                }
                Some(Value::Null) | None => {
                    let all =
                        template.fields.map_or(String::new(), |fields| format!(", which takes {}", fields.join(", ")));
                    Err(format!("`{field}` is missing for the template {name}{all}"))
                }
            },
        }
    }
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Plain text as plain HTML: its paragraphs, its lines, and its links to click on.
pub(crate) fn as_html(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    let blocks = text.split("\n\n").map(|block| block.trim_matches('\n')).filter(|block| !block.trim().is_empty());
    let paragraphs: Vec<String> = blocks
        .map(|block| {
            let lines: Vec<String> = block.lines().map(with_links).collect();
            format!("<p>{}</p>\n", lines.join("<br>\n"))
        })
        .collect();
    format!(
        "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"></head>\n<body style=\"font-family: sans-serif; \
         line-height: 1.5; max-width: 40em\">\n{}</body></html>\n",
        paragraphs.concat()
    )
}

fn with_links(line: &str) -> String {
    let words = line.split(' ').map(|word| {
        if !word.starts_with("https://") && !word.starts_with("http://") {
            return escape(word);
        }
        let address = word.trim_end_matches(['.', ',', ';', ':', ')', '!', '?', '"', '\'']);
        format!("<a href=\"{0}\">{0}</a>{1}", escape(address), escape(&word[address.len()..]))
    });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn data(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    #[test]
    fn what_is_filled_in_is_escaped_in_html_and_links_can_be_clicked() {
        let templates = Templates::read(None).unwrap();
        let fields = json!({"title": "<b>&'\"", "author": "Ann", "comment": "see https://h.example/?a=1&b=\"2\"."});
        let content = templates.fill("comment_added", &data(&fields)).unwrap();
        assert_eq!(content.subject, "New comment on '<b>&'\"'");
        assert!(content.text.contains("Ann wrote about '<b>&'\"':\n\nsee https://h.example/?a=1&b=\"2\".\n"));
        let html = content.html.unwrap();
        assert!(html.contains("&#39;&lt;b&gt;&amp;&#39;&quot;&#39;") && !html.contains("<b>"), "{html}");
        assert!(html.contains("<a href=\"https://h.example/?a=1&amp;b=&quot;2\">"), "{html}");
    }

    #[test]
    fn a_missing_field_and_an_unknown_template_say_what_there_is() {
        let templates = Templates::read(None).unwrap();
        let missing = templates.fill("task_overdue", &data(&json!({"title": "a"}))).unwrap_err();
        assert_eq!(missing, "`due` is missing for the template task_overdue, which takes title, due");
        let list = templates.fill("task_completed", &data(&json!({"title": ["a"]}))).unwrap_err();
        assert!(list.contains("`title` is filled in as text"), "{list}");
        assert!(templates.fill("nothing", &Map::new()).unwrap_err().contains("task_overdue"));
    }

    #[test]
    fn the_operators_files_win_one_by_one_and_may_be_templates_of_their_own() {
        let folder = folder(&[
            ("task_completed.subject.txt", "Done: {{ title }}\n"),
            ("task_completed.html", "<h1>{{title}}</h1>"),
            ("welcome.subject.txt", "Welcome, {{name}}"),
            ("welcome.txt", "Hello {{name}}"),
            (".hidden.swp", "{{"),
        ]);
        let templates = Templates::read(Some(folder.path())).unwrap();
        let content = templates.fill("task_completed", &data(&json!({"title": "a<b"}))).unwrap();
        assert_eq!((content.subject.as_str(), content.html.as_deref()), ("Done: a<b", Some("<h1>a&lt;b</h1>")));
        assert!(content.text.contains("the task 'a<b' is completed"));
        let content = templates.fill("welcome", &data(&json!({"name": "Ann"}))).unwrap();
        assert_eq!((content.subject.as_str(), content.text.as_str()), ("Welcome, Ann", "Hello Ann"));
        assert!(content.html.unwrap().contains("<p>Hello Ann</p>"));
    }

    #[test]
    fn all_that_is_wrong_with_them_is_told_at_once_each_with_its_file() {
        let folder = folder(&[
            ("task_completed.subject.txt", "a\nb"),
            ("task_completed.txt", "one\n{{titel}}"),
            ("task_overdue.html", "{{title"),
            ("welcome.txt", "{{First Name}}"),
            ("hello.html", "x"),
            ("notes.md", "x"),
            ("Loud.txt", "x"),
        ]);
        let wrong = Templates::read(Some(folder.path())).unwrap_err().join("\n");
        for words in [
            "task_completed.subject.txt: a subject is one line",
            "task_completed.txt: line 2: `{{titel}}` is nothing that can be filled in; there is: title",
            "task_overdue.html: line 1: `{{` without `}}`",
            "welcome.txt: line 1: `{{First Name}}`",
            "hello.subject.txt is missing",
            "hello.txt is missing",
            "notes.md: is no template",
            "Loud.txt: is no name of a template",
        ] {
            assert!(wrong.contains(words), "{words} is not in\n{wrong}");
        }
        assert!(Templates::read(Some(Path::new("/nowhere"))).unwrap_err()[0].contains("/nowhere cannot be read"));
    }
}
