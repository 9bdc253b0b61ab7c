//! Which part of a file a request is for, and whether it is for this file at all (RFC 9110 sections 13 and 14). Pure.

use http::{HeaderMap, HeaderName, header};

/// The most bytes of a header that are looked at; honest ones are far shorter.
const MAX_HEADER: usize = 1_000;

/// What a request for a file is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// All of it: 200.
    Whole,
    /// The bytes from `from` to before `to`: 206.
    Part {
        /// The first.
        from: u64,
        /// The one after the last.
        to: u64,
    },
    /// No byte of what was asked for: 416.
    OutOfReach,
    /// Nothing, as whoever asks has it: 304.
    Known,
    /// Nothing, as it isn't what whoever asks means: 412.
    Another,
}

/// What is asked of a file of `size` bytes whose strong entity tag is `tag`. Ranges count for GET only. Several at once are answered with
/// the whole, as are those that can't be read (section 14.2).
pub(super) fn asked(headers: &HeaderMap, is_get: bool, tag: &str, size: u64) -> Asked {
    if let Some(tags) = text(headers, &header::IF_MATCH)
        && !names(tags, tag, false)
    {
        return Asked::Another;
    }
    if let Some(tags) = text(headers, &header::IF_NONE_MATCH)
        && names(tags, tag, true)
    {
        return Asked::Known;
    }
    // A date is no strong validator here: nothing says when a file was changed, and none ever is.
    let holds = text(headers, &header::IF_RANGE).is_none_or(|condition| condition.trim() == tag);
    let once = headers.get_all(header::RANGE).iter().count() == 1;
    match text(headers, &header::RANGE) {
        Some(range) if is_get && holds && once => part(range, size),
        _ => Asked::Whole,
    }
}

/// A header as text; one that is no text or too long is as good as any that doesn't fit.
fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().ok().filter(|text| text.len() <= MAX_HEADER).unwrap_or("-"))
}

/// Whether a list of entity tags has this one, or all (section 8.8.3). A weak one is the same only where `weakly` is enough.
fn names(tags: &str, tag: &str, weakly: bool) -> bool {
    tags.split(',').map(str::trim).any(|one| one == "*" || one == tag || (weakly && one.strip_prefix("W/") == Some(tag)))
}

/// One range of bytes (section 14.1.2).
fn part(range: &str, size: u64) -> Asked {
    let Some((unit, set)) = range.split_once('=') else { return Asked::Whole };
    let Some((first, last)) = set.trim().split_once('-') else { return Asked::Whole };
    let (first, last) = (first.trim_end(), last.trim_start());
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().unwrap_or(u64::MAX));
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Asked::Whole;
    }
    let (from, to) = match (first, last) {
        ("", "") => return Asked::Whole,
        ("", length) => match number(length) {
            Some(length) => (size.saturating_sub(length), size),
            None => return Asked::Whole,
        },
        (first, "") => match number(first) {
            Some(first) => (first, size),
            None => return Asked::Whole,
        },
        (first, last) => match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last => (first, last.saturating_add(1).min(size)),
            _ => return Asked::Whole,
        },
    };
    if from < to { Asked::Part { from, to } } else { Asked::OutOfReach }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const TAG: &str = "\"abc\"";

    fn with(pairs: &[(HeaderName, &str)]) -> Asked {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name.clone(), HeaderValue::from_str(value).unwrap());
        }
        asked(&headers, true, TAG, 1000)
    }

    #[test]
    fn one_range_is_a_part_and_what_cannot_be_read_is_the_whole() {
        use Asked::{OutOfReach, Part, Whole};
        for (range, expected) in [
            ("bytes=0-499", Part { from: 0, to: 500 }),
            ("bytes=500-999", Part { from: 500, to: 1000 }),
            ("bytes=500-", Part { from: 500, to: 1000 }),
            ("bytes=0-", Part { from: 0, to: 1000 }),
            ("bytes=999-5000", Part { from: 999, to: 1000 }),
            ("bytes=-1", Part { from: 999, to: 1000 }),
            ("bytes=-5000", Part { from: 0, to: 1000 }),
            ("Bytes = 1-1", Part { from: 1, to: 2 }),
            ("bytes=1-99999999999999999999999", Part { from: 1, to: 1000 }),
            ("bytes=1000-", OutOfReach),
            ("bytes=1000-2000", OutOfReach),
            ("bytes=99999999999999999999999-", OutOfReach),
            ("bytes=-0", OutOfReach),
            ("bytes=5-4", Whole),
            ("bytes=0-1,5-6", Whole),
            ("bytes=", Whole),
            ("bytes=-", Whole),
            ("bytes=a-b", Whole),
            ("bytes=+1-2", Whole),
            ("bytes=1 2-3", Whole),
            ("items=0-1", Whole),
            ("0-1", Whole),
        ] {
            assert_eq!(with(&[(header::RANGE, range)]), expected, "{range}");
        }
        assert_eq!(with(&[]), Whole);
        assert_eq!(with(&[(header::RANGE, "bytes=0-1"), (header::RANGE, "bytes=0-1")]), Whole);
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, HeaderValue::from_static("bytes=0-1"));
        assert_eq!(asked(&headers, false, TAG, 1000), Whole, "no part of HEAD");
        assert_eq!(asked(&headers, true, TAG, 0), OutOfReach);
    }

    #[test]
    fn a_part_is_of_the_same_file_or_it_is_the_whole() {
        use Asked::{Another, Known, Part, Whole};
        let range = (header::RANGE, "bytes=0-0");
        for (name, value, expected) in [
            (header::IF_RANGE, TAG, Part { from: 0, to: 1 }),
            (header::IF_RANGE, "\"abd\"", Whole),
            (header::IF_RANGE, "W/\"abc\"", Whole),
            (header::IF_RANGE, "Mon, 23 Nov 2026 14:05:00 GMT", Whole),
            (header::IF_MATCH, "\"x\", \"abc\"", Part { from: 0, to: 1 }),
            (header::IF_MATCH, "*", Part { from: 0, to: 1 }),
            (header::IF_MATCH, "W/\"abc\"", Another),
            (header::IF_MATCH, "\"x\"", Another),
            (header::IF_NONE_MATCH, "W/\"abc\"", Known),
            (header::IF_NONE_MATCH, "\"x\",\"abc\"", Known),
            (header::IF_NONE_MATCH, "*", Known),
            (header::IF_NONE_MATCH, "\"x\"", Part { from: 0, to: 1 }),
        ] {
            assert_eq!(with(&[range.clone(), (name.clone(), value)]), expected, "{name}: {value}");
        }
    }
}
