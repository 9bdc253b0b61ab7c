//! Download links that stand for attachments: what is known of one, how it ends, and what is said of it in the message and to whoever
//! follows it, in the entry's language.

pub mod block;
mod language;

use serde::{Deserialize, Serialize};

pub use language::{Language, PageWords};

use crate::entry::EntryId;
use crate::submission::SubmissionId;

/// How many links a page of the list has.
pub const PAGE: usize = 50;
/// How many downloads of a link are remembered with time and address; the others are only counted.
pub const LAST_DOWNLOADS: usize = 50;
/// How long an ended link is remembered: days.
pub const REMEMBERED_DAYS: u64 = 30;
/// How long a download may be begun or gone on with after its button was pressed: milliseconds.
pub const TICKET_MS: u64 = 60 * 60 * 1000;
/// A day: milliseconds.
pub const DAY_MS: u64 = 24 * 60 * 60 * 1000;
/// The most bytes of a name that a file is downloaded under: systems take 255.
const MAX_NAME: usize = 200;
/// The most bytes of what follows the last dot of a name that is shortened.
const MAX_EXTENSION: usize = 16;

/// Identifies a link among ourselves; who has only this can download nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LinkId(pub u64);

impl std::fmt::Display for LinkId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Whether a link can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkState {
    /// It can.
    Live,
    /// Its time is over; the file is removed.
    Expired,
    /// Somebody ended it; the file is removed.
    Revoked,
}

impl LinkState {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Live, Self::Expired, Self::Revoked];

    /// As JSON and forms write it.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }

    /// What a key names.
    pub fn parse(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.key() == key)
    }
}

/// A download that was begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Download {
    /// When: milliseconds since 1970.
    pub at_ms: u64,
    /// The IP address it was for; empty where nobody knows.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub address: String,
}

/// A link, as it is shown to those who look after it. What stands in its address nobody knows but who has the message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Which.
    pub id: LinkId,
    /// The message it is in.
    pub message: SubmissionId,
    /// The entry the message was sent through.
    pub entry: EntryId,
    /// The entry's name then.
    pub server: String,
    /// The file's name.
    pub name: String,
    /// Its bytes.
    pub size: u64,
    /// Who sent the message.
    pub sender: String,
    /// When it was made: milliseconds since 1970.
    pub created_ms: u64,
    /// When it ends, or ended.
    pub expires_ms: u64,
    /// When somebody ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_ms: Option<u64>,
    /// Whether it can be used now.
    pub state: LinkState,
    /// How often a download was begun.
    pub downloads: u64,
    /// The last downloads, newest first, at most [`LAST_DOWNLOADS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub last: Vec<Download>,
}

/// What is looked for among links.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LinksQuery {
    /// Text in the file's name, the server's or the sender, whatever the case.
    pub search: String,
    /// Only those in this state.
    pub state: Option<LinkState>,
    /// Only links with a lower number: the next page.
    pub before: Option<LinkId>,
}

/// A page of links.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinksPage {
    /// They, newest first.
    pub links: Vec<Link>,
    /// Where the next page begins ([`LinksQuery::before`]); `None` at the end.
    pub next: Option<LinkId>,
    /// How many are remembered in all.
    pub total: u64,
    /// How much of what files may take is taken: bytes.
    pub used: u64,
    /// What links begin with.
    pub base: String,
    /// Why links may not work for those who get them, or not safely.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<BaseWarning>,
    /// Now: milliseconds since 1970.
    pub now_ms: u64,
}

/// What is wrong with what links begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BaseWarning {
    /// It names this machine itself: nobody else gets there.
    ThisMachineOnly,
    /// It isn't encrypted: whoever is on the way can read links and files.
    NotEncrypted,
}

impl BaseWarning {
    /// What is wrong with `base`, such as `http://localhost:3000`.
    pub fn of(base: &str) -> Vec<Self> {
        let (scheme, rest) = base.split_once("://").unwrap_or(("", base));
        let authority = rest.split('/').next().unwrap_or_default();
        let host = match authority.strip_prefix('[') {
            Some(literal) => literal.split(']').next().unwrap_or_default(),
            None => authority.split(':').next().unwrap_or_default(),
        };
        let host = host.to_ascii_lowercase();
        let here = host == "localhost"
            || host.ends_with(".localhost")
            || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback() || ip.is_unspecified());
        let mut warnings = Vec::new();
        if here {
            warnings.push(Self::ThisMachineOnly);
        }
        if !scheme.eq_ignore_ascii_case("https") {
            warnings.push(Self::NotEncrypted);
        }
        warnings
    }

    /// The same in a sentence, with what to do.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::ThisMachineOnly => {
                "Links lead to this machine only, so nobody else can follow them. Start Postroom with --public-url or --links-url."
            }
            Self::NotEncrypted => {
                "Links aren't encrypted: whoever is on the way can read them and the files. Use an address that begins with https://."
            }
        }
    }
}

/// What whoever follows a link is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The file's name.
    pub name: String,
    /// Its bytes.
    pub size: u64,
    /// Who sent the message.
    pub sender: String,
    /// When the link ends: milliseconds since 1970.
    pub expires_ms: u64,
    /// In which language.
    pub language: Language,
    /// Now.
    pub now_ms: u64,
}

/// A name under which a file can be shown and downloaded anywhere: without folders, controls, characters that turn the writing around
/// and those that some systems take for something else, and not too long. What stands after its last dot stays.
pub fn safe_name(name: &str) -> String {
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let visible = name.chars().filter_map(|c| match c {
        '<' | '>' | ':' | '"' | '|' | '?' | '*' => Some('_'),
        c if c.is_control() => None,
        // Marks, embeddings and isolates of bidirectional text, separators of lines, what has no width, and annotations.
        '\u{61c}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}' => None,
        c if c.is_whitespace() => Some(' '),
        c => Some(c),
    });
    let name: String = visible.collect();
    let name = name.trim_matches([' ', '.']);
    if name.len() > MAX_NAME {
        let extension = name.rfind('.').map_or("", |dot| &name[dot..]);
        let extension = if extension.len() <= MAX_EXTENSION { extension } else { "" };
        let end = name.floor_char_boundary(MAX_NAME - extension.len());
        return format!("{}{extension}", name[..end].trim_end_matches([' ', '.']));
    }
    if name.is_empty() { "file".into() } else { name.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_shows_and_means_the_same_everywhere() {
        let long = "x".repeat(300);
        for (name, safe) in [
            ("report.pdf", "report.pdf"),
            ("Übersicht 2026.xlsx", "Übersicht 2026.xlsx"),
            ("../../etc/passwd", "passwd"),
            ("C:\\temp\\a.txt", "a.txt"),
            ("a\r\nSet-Cookie: x=1.txt", "aSet-Cookie_ x=1.txt"),
            ("invoice\u{202e}fdp.exe", "invoicefdp.exe"),
            ("a\u{200b}\u{2066}b\u{feff}", "ab"),
            ("a\u{2028}b\tc", "abc"),
            ("a\u{a0}b", "a b"),
            ("\"quoted\"<b>|?*", "_quoted__b____"),
            (".bashrc", "bashrc"),
            (" .. ", "file"),
            ("", "file"),
            ("folder/", "file"),
            (&long, &long[..200]),
        ] {
            assert_eq!(safe_name(name), safe, "{name:?}");
        }
        let long = safe_name(&format!("{}.tar.gz", "ä".repeat(150)));
        assert!(long.ends_with("ä.gz") && long.len() <= 200, "{long}");
    }

    #[test]
    fn what_links_begin_with_is_an_address_that_others_reach_encrypted() {
        use BaseWarning::{NotEncrypted, ThisMachineOnly};
        for (base, warnings) in [
            ("https://files.example.com", vec![]),
            ("HTTPS://files.example.com:8443", vec![]),
            ("http://files.example.com", vec![NotEncrypted]),
            ("https://localhost:3000", vec![ThisMachineOnly]),
            ("http://127.0.0.1:3000", vec![ThisMachineOnly, NotEncrypted]),
            ("http://[::1]:3000", vec![ThisMachineOnly, NotEncrypted]),
            ("https://10.0.0.1", vec![]),
            ("", vec![NotEncrypted]),
        ] {
            assert_eq!(BaseWarning::of(base), warnings, "{base}");
        }
    }

    #[test]
    fn states_have_keys() {
        for state in LinkState::ALL {
            assert_eq!(LinkState::parse(state.key()), Some(state));
            assert_eq!(serde_json::to_value(state).unwrap(), state.key());
        }
        assert_eq!(LinkState::parse("Live"), None);
    }
}
