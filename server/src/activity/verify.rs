//! Whether the chain is whole.

use std::fmt;
use std::ops::ControlFlow;
use std::str::FromStr;

use domain::error::Problem;
use serde::{Deserialize, Serialize};

use super::{hex, link};
use crate::store::Store;

/// The last line of a chain, or one that was: its number and its hash. Written `1234:9f…`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The number; 0 where there was no line yet.
    pub number: u64,
    /// SHA-256 in lower-case hexadecimal.
    pub hash: String,
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.number, self.hash)
    }
}

impl FromStr for Head {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "a head is a number, a colon and 64 hexadecimal digits, as this command prints it";
        let (number, hash) = text.trim().split_once(':').ok_or(wrong)?;
        let is_hash = hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = number.parse().ok().filter(|_| is_hash).ok_or(wrong)?;
        Ok(Self { number, hash: hash.to_ascii_lowercase() })
    }
}

/// An end of what is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// The line's number.
    pub number: u64,
    /// When it was written: milliseconds since 1970.
    pub at_ms: u64,
}

/// What is wrong with a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The line is missing, or another one is in its place.
    Missing,
    /// The line says something else than it did.
    Changed,
    /// From here on lines are missing at the end.
    CutOff,
    /// There are lines that nobody accounts for.
    Unaccounted,
    /// The end isn't the one that was noted beside the lines.
    OtherEnd,
}

/// Where it breaks first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Break {
    /// The line's number.
    pub number: u64,
    /// How.
    pub fault: Fault,
}

/// What became of a head that was noted earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Noted {
    /// It is a part of the chain.
    Holds,
    /// It isn't: what was there then was rewritten since, or cut off.
    Rewritten,
    /// It is so old that it was forgotten.
    Forgotten,
}

/// A chain that was looked at from end to end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    /// How many lines are whole, from the first one on.
    pub lines: u64,
    /// The first line that is kept.
    pub first: Option<End>,
    /// The last whole one.
    pub last: Option<End>,
    /// The end, as far as it is whole.
    pub head: Head,
    /// Where it breaks.
    pub broken: Option<Break>,
    /// What became of the head that was asked about.
    pub noted: Option<Noted>,
}

impl Chain {
    /// Whether nothing is wrong.
    pub fn is_whole(&self) -> bool {
        self.broken.is_none() && self.noted != Some(Noted::Rewritten)
    }
}

/// What the hash covers has to agree with where it lies.
#[derive(Deserialize)]
struct Written {
    number: u64,
    at_ms: u64,
}

pub(super) fn verify(store: &dyn Store, noted: Option<&Head>) -> Result<Chain, Problem> {
    store.reading(|tx| {
        let kept = tx.activity_head()?;
        let mut expected = kept.first;
        let mut hash = kept.before;
        let (mut first, mut last, mut broken) = (None, None, None);
        let mut found = noted.filter(|noted| noted.number.checked_add(1) == Some(kept.first)).map(|noted| noted.hash == hex(&hash));
        // From the very first number on, so that nothing can lie before what is accounted for.
        tx.activity_from(0, &mut |line| {
            let fault = if expected >= kept.next || line.number < kept.first {
                Some(Fault::Unaccounted)
            } else if line.number != expected {
                Some(Fault::Missing)
            } else if link(&hash, line.json) != line.hash {
                Some(Fault::Changed)
            } else {
                None
            };
            let written = serde_json::from_slice::<Written>(line.json).ok().filter(|written| written.number == line.number);
            let (None, Some(Written { number, at_ms })) = (fault, written) else {
                let fault = fault.unwrap_or(Fault::Changed);
                let number = if fault == Fault::Missing { expected } else { line.number };
                broken = Some(Break { number, fault });
                return ControlFlow::Break(());
            };
            let end = End { number, at_ms };
            first = first.or(Some(end));
            last = Some(end);
            (expected, hash) = (number + 1, line.hash);
            if let Some(noted) = noted.filter(|noted| noted.number == number) {
                found = Some(noted.hash == hex(&hash));
            }
            ControlFlow::Continue(())
        })?;
        if broken.is_none() && expected < kept.next {
            broken = Some(Break { number: expected, fault: Fault::CutOff });
        } else if broken.is_none() && hash != kept.last {
            broken = Some(Break { number: expected.saturating_sub(1), fault: Fault::OtherEnd });
        }
        let noted = noted.map(|noted| match found {
            Some(true) => Noted::Holds,
            None if noted.number.saturating_add(1) < kept.first => Noted::Forgotten,
            _ => Noted::Rewritten,
        });
        let head = Head { number: expected.saturating_sub(1), hash: hex(&hash) };
        Ok(Chain { lines: expected - kept.first, first, last, head, broken, noted })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_as_it_is_written() {
        let head = Head { number: 1234, hash: "9f".repeat(32) };
        assert_eq!(head.to_string().parse(), Ok(head.clone()));
        assert_eq!(format!(" {}", head.to_string().to_uppercase()).parse(), Ok(head));
        for wrong in ["", "1234", "1234:9f", &format!("x:{}", "9f".repeat(32)), &format!("1:{}", "zz".repeat(32))] {
            assert!(wrong.parse::<Head>().is_err(), "{wrong}");
        }
    }
}
