//! From what stands in the input to what it means: comments, folds and quotes taken away.

use std::fmt;
use std::ops::Deref;

use super::unicode::{self, Class};

/// A text without controls, line breaks and characters that cannot be seen: it can be written into a header or a command.
///
/// There is no way to make one that holds them.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Text(Box<str>);

impl Text {
    /// None if the text has a character that no address may have.
    pub(super) fn new(text: String) -> Option<Self> {
        Self::is_clean(&text).then(|| Self(text.into_boxed_str()))
    }

    fn is_clean(text: &str) -> bool {
        let mut before = None;
        let clean = |c: char| match (c, before.replace(c)) {
            (' '..='~', _) => true,
            ('\0'..='\x7f', _) => false,
            (c, before) => matches!(unicode::class(c), Class::Plain | Class::Slip) && unicode::follows_visible(c, before),
        };
        // Without a branch an octet, for what is nearly always ASCII.
        let printable = text.bytes().fold(true, |all, octet| all & matches!(octet, b' '..=b'~'));
        printable || text.chars().all(clean)
    }

    /// What the grammar has read. It refuses what must not be in a text; this holds even if it did not.
    fn read(text: String) -> Self {
        Self::new(text).unwrap_or_else(|| Self(Box::default()))
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// A piece of a phrase, local part or domain.
enum Token<'a> {
    /// White space or a comment.
    Space,
    /// Atoms and dots.
    Plain(&'a str),
    /// The content of a quoted string.
    Quoted(&'a str),
}

/// The tokens of well-formed input.
fn tokens(raw: &str) -> impl Iterator<Item = Token<'_>> {
    let mut rest = raw;
    std::iter::from_fn(move || {
        let first = *rest.as_bytes().first()?;
        let (token, length) = match first {
            b' ' | b'\t' | b'\r' | b'\n' => (Token::Space, 1),
            b'(' => (Token::Space, close(rest, b')')),
            b'"' => {
                let length = close(rest, b'"');
                (Token::Quoted(rest.get(1..length - 1).unwrap_or_default()), length)
            }
            _ => {
                let length = rest
                    .bytes()
                    .position(|octet| matches!(octet, b' ' | b'\t' | b'\r' | b'\n' | b'(' | b'"'))
                    .unwrap_or(rest.len());
                (Token::Plain(&rest[..length]), length)
            }
        };
        rest = &rest[length..];
        Some(token)
    })
}

/// The length of the comment or quoted string at the start of `raw`, its end included.
fn close(raw: &str, end: u8) -> usize {
    let mut depth = 0_usize;
    let mut escaped = false;
    for (at, octet) in raw.bytes().enumerate() {
        match octet {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'(' if end == b')' => depth += 1,
            _ if octet == end && at > 0 => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
    }
    raw.len()
}

/// What a quoted string or a comment says: pairs resolved, folds removed, a tab read as a space.
fn unescape(content: &str, out: &mut String) {
    let mut escaped = false;
    for c in content.chars() {
        match c {
            _ if escaped => {
                escaped = false;
                out.push(c);
            }
            '\\' => escaped = true,
            '\r' | '\n' => {}
            '\t' => out.push(' '),
            c => out.push(c),
        }
    }
}

/// What a phrase says: its words with one space where there was white space.
pub(super) fn phrase(raw: &str) -> Text {
    join(raw.len(), &mut tokens(raw))
}

/// What a comment says (RFC 2047 section 5(2) has encoded words in it).
pub(super) fn comment(raw: &str) -> Text {
    let words = raw.split([' ', '\t', '\r', '\n']).flat_map(|word| {
        let is_encoded = super::header::decode_word(word).is_some();
        [Token::Space, if is_encoded { Token::Plain(word) } else { Token::Quoted(word) }]
    });
    join(raw.len(), &mut words.filter(|token| !matches!(token, Token::Quoted(""))))
}

fn join(length: usize, tokens: &mut dyn Iterator<Item = Token<'_>>) -> Text {
    let mut out = String::with_capacity(length);
    let mut space = false;
    let mut after_encoded = false;
    for token in tokens {
        let (word, decoded) = match token {
            Token::Space => {
                space = true;
                continue;
            }
            Token::Plain(atoms) => (atoms, super::header::decode_word(atoms).and_then(Text::new)),
            Token::Quoted(content) => (content, None),
        };
        // RFC 2047 section 6.2: white space between encoded words is not shown.
        if space && !out.is_empty() && !(after_encoded && decoded.is_some()) {
            out.push(' ');
        }
        space = false;
        after_encoded = decoded.is_some();
        match (decoded, token) {
            (Some(text), _) => out.push_str(&text),
            (None, Token::Quoted(_)) => unescape(word, &mut out),
            (None, _) => out.push_str(word),
        }
    }
    Text::read(out)
}

/// What an addr-spec says that stands as it means it. With the length of the local part.
pub(super) fn plain_addr_spec(text: &str, local: &str) -> (Text, usize) {
    (Text(if Text::is_clean(text) { text.into() } else { Box::default() }), local.len())
}

/// What an addr-spec says: a local part without quotes, `@` and a domain, or the local part only. Comments and white space
/// between words are removed. With the length of the local part.
pub(super) fn addr_spec(local: &str, domain: Option<&str>) -> (Text, usize) {
    let mut out = String::with_capacity(local.len() + domain.map_or(0, |domain| domain.len() + 1));
    words(local, &mut out);
    let length = out.len();
    if let Some(domain) = domain {
        out.push('@');
        words(domain, &mut out);
    }
    (Text::read(out), length)
}

fn words(raw: &str, out: &mut String) {
    if is_plain(raw) {
        return out.push_str(raw);
    }
    for token in tokens(raw) {
        match token {
            Token::Space => {}
            Token::Plain(atoms) => out.push_str(atoms),
            Token::Quoted(content) => unescape(content, out),
        }
    }
}

/// Whether there is nothing but atoms and dots.
fn is_plain(raw: &str) -> bool {
    raw.bytes().fold(true, |all, octet| all & !matches!(octet, b' ' | b'\t' | b'\r' | b'\n' | b'(' | b'"'))
}

/// A domain without the comments and the white space that may be around its dots.
pub(super) fn without_cfws(raw: &str) -> std::borrow::Cow<'_, str> {
    if is_plain(raw) {
        return raw.into();
    }
    let mut out = String::with_capacity(raw.len());
    words(raw, &mut out);
    out.into()
}
