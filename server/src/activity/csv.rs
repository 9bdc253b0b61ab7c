//! Activity as CSV (RFC 4180), for spreadsheets: whatever is in it, they run nothing of it.

use domain::access::Who;
use domain::activity::{Change, Line, Subject};
use domain::words;
use time::OffsetDateTime;

use super::hex;
use crate::store::Digest;

pub(super) const HEADER: &[u8] = b"number,time,who_kind,who,address,deed,what,subjects,changes,detail,hash\r\n";

pub(super) fn write(line: &Line, hash: &Digest, out: &mut Vec<u8>) {
    let what = &line.what;
    let subjects: Vec<String> = what.subjects.iter().map(subject).collect();
    let changes: Vec<String> = what.changes.iter().map(change).collect();
    let cells = [
        &line.number.to_string(),
        &time(line.at_ms),
        kind(&what.who),
        what.who.name(),
        &what.address,
        &what.deed.key(),
        words::deed(what.deed),
        &subjects.join("; "),
        &changes.join("; "),
        &what.detail,
        &hex(hash),
    ];
    for (at, text) in cells.into_iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        cell(text, out);
    }
    out.extend_from_slice(b"\r\n");
}

/// A cell. One that a spreadsheet would take for a formula begins with an apostrophe.
fn cell(text: &str, out: &mut Vec<u8>) {
    let guard = if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']) { "'" } else { "" };
    if guard.is_empty() && !text.contains(['"', ',', '\r', '\n']) {
        return out.extend_from_slice(text.as_bytes());
    }
    out.extend_from_slice(format!("\"{guard}{}\"", text.replace('"', "\"\"")).as_bytes());
}

const fn kind(who: &Who) -> &'static str {
    match who {
        Who::Nobody => "nobody",
        Who::Account { .. } => "account",
        Who::Token { .. } => "token",
        Who::CommandLine => "command_line",
        Who::Postroom => "postroom",
    }
}

fn subject(Subject { kind, id, name }: &Subject) -> String {
    match id {
        Some(id) => format!("{kind} {id} {name}"),
        None => format!("{kind} {name}"),
    }
}

fn change(Change { field, old, new, secret }: &Change) -> String {
    if *secret {
        return format!("{field} changed");
    }
    format!("{field}: {} → {}", old.as_deref().unwrap_or_default(), new.as_deref().unwrap_or_default())
}

/// The second in UTC (RFC 3339).
pub(super) fn time(at_ms: u64) -> String {
    let time = OffsetDateTime::UNIX_EPOCH + std::time::Duration::from_millis(at_ms.min(MAX_MS));
    let (date, (hour, minute, second)) = (time.date(), time.to_hms());
    format!("{date}T{hour:02}:{minute:02}:{second:02}Z")
}

/// The last millisecond of the year 9999: what is kept may say anything.
const MAX_MS: u64 = 253_402_300_799_999;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreadsheets_run_nothing_and_nothing_leaves_its_cell() {
        for (text, written) in [
            ("mail", "mail"),
            ("", ""),
            ("a, b", "\"a, b\""),
            ("say \"x\"\r\ny", "\"say \"\"x\"\"\r\ny\""),
            ("=HYPERLINK(\"http://x\")", "\"'=HYPERLINK(\"\"http://x\"\")\""),
            ("+1", "\"'+1\""),
            ("-1", "\"'-1\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("\t=1", "\"'\t=1\""),
        ] {
            let mut out = Vec::new();
            cell(text, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), written, "{text:?}");
        }
    }

    #[test]
    fn a_time_is_one_whatever_is_kept() {
        assert_eq!(time(1_795_425_120_000), "2026-11-23T09:12:00Z");
        assert_eq!(time(u64::MAX), "9999-12-31T23:59:59Z");
    }
}
