//! What there is to know of a certificate (RFC 5280), and what its dates mean at an instant. Reading one is the server's
//! affair, the words for its dates are [`crate::words`]'.

use serde::{Deserialize, Serialize};

/// So many days before its end a certificate is worth a remark: time enough to have a new one issued.
pub const EXPIRES_SOON_DAYS: u64 = 30;

/// What there is to know of a certificate. What couldn't be read is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// The subject, such as `CN=mail.example.com, O=Example`.
    pub subject: String,
    /// The DNS names and IP addresses it is for; a common name does not count (RFC 9525).
    pub names: Vec<String>,
    /// Who signed it.
    pub issuer: String,
    /// The first instant it is valid, as RFC 3339 writes it.
    pub not_before: String,
    /// The last.
    pub not_after: String,
    /// SHA-256 over the certificate, in lower-case hexadecimal.
    pub sha256: String,
    /// Whether subject and issuer are the same.
    pub self_signed: bool,
    /// The kind of its public key and the key's size, such as `RSA 2048` or `ECDSA P-256`; empty in runs of before this was
    /// kept.
    #[serde(default)]
    pub key: String,
    /// Whether it may sign other certificates.
    #[serde(default)]
    pub authority: bool,
    /// The serial number, in lower-case hexadecimal.
    #[serde(default)]
    pub serial: String,
}

/// What the dates of a certificate mean at an instant. Days are those of the calendar in UTC: zero is the same day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    /// Its time has not come.
    NotYet {
        /// Until it comes.
        days: u64,
    },
    /// It is valid.
    Valid {
        /// Until it ends.
        days_left: u64,
    },
    /// Its time is over.
    Expired {
        /// Since it ended.
        days_ago: u64,
    },
    /// A date of it can't be read.
    Unknown,
}

impl Validity {
    /// Whether it is valid and ends within [`EXPIRES_SOON_DAYS`].
    pub const fn expires_soon(self) -> bool {
        matches!(self, Self::Valid { days_left: ..=EXPIRES_SOON_DAYS })
    }
}

impl Certificate {
    /// What the dates mean at `now_ms`, milliseconds since 1970. Both count in whole seconds and belong to the time in which it
    /// is valid (RFC 5280 section 4.1.2.5).
    pub fn validity(&self, now_ms: u64) -> Validity {
        let (Some(from), Some(to), Ok(now)) = (seconds(&self.not_before), seconds(&self.not_after), i64::try_from(now_ms / 1_000))
        else {
            return Validity::Unknown;
        };
        let days = |from: i64, to: i64| to.div_euclid(DAY).abs_diff(from.div_euclid(DAY));
        if now < from {
            Validity::NotYet { days: days(now, from) }
        } else if now > to {
            Validity::Expired { days_ago: days(to, now) }
        } else {
            Validity::Valid { days_left: days(now, to) }
        }
    }
}

/// Milliseconds since 1970 of an instant as a [`Certificate`] holds it (`2027-01-31T23:59:59Z`); nothing where the text is
/// none, or lies before 1970.
pub fn instant_ms(rfc3339: &str) -> Option<u64> {
    u64::try_from(seconds(rfc3339)?).ok()?.checked_mul(1_000)
}

/// Seconds of a day.
const DAY: i64 = 86_400;

/// Seconds since 1970, also negative ones: authorities of long ago have dates before it.
fn seconds(rfc3339: &str) -> Option<i64> {
    let text = rfc3339.as_bytes();
    let shape = |(at, &byte): (usize, &u8)| match at {
        4 | 7 => byte == b'-',
        10 => byte == b'T',
        13 | 16 => byte == b':',
        19 => byte == b'Z',
        _ => byte.is_ascii_digit(),
    };
    if text.len() != 20 || !text.iter().enumerate().all(shape) {
        return None;
    }
    let number = |from: usize, to: usize| text[from..to].iter().fold(0, |number, &digit| number * 10 + i64::from(digit - b'0'));
    let (year, month, day) = (number(0, 4), number(5, 7), number(8, 10));
    let (hour, minute, second) = (number(11, 13), number(14, 16), number(17, 19));
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=last).contains(&day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    Some(days(year, month, day) * DAY + hour * 3_600 + minute * 60 + second)
}

/// Days from 1970-01-01 to a date. The calendar repeats every 400 years; counted from 1 March, leap days come last in their
/// year, and the months before a date have a length that a division tells.
const fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + (153 * month + 2) / 5 + day - 1 - 719_468
}

/// A fingerprint in groups of four, as it is read out and compared: `ABCD 0123 …`.
pub fn fingerprint_words(sha256: &str) -> String {
    let mut out = String::with_capacity(sha256.len() + sha256.len() / 4);
    for (at, c) in sha256.chars().enumerate() {
        if at > 0 && at % 4 == 0 {
            out.push(' ');
        }
        out.push(c.to_ascii_uppercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::utc;

    const MS_A_DAY: u64 = 86_400_000;

    fn dated(not_before: &str, not_after: &str) -> Certificate {
        Certificate { not_before: not_before.into(), not_after: not_after.into(), ..Certificate::default() }
    }

    #[test]
    fn a_certificate_of_an_old_run_is_read_without_what_was_not_kept_then() {
        let old =
            r#"{"subject":"CN=a","names":["a"],"issuer":"CN=b","not_before":"","not_after":"","sha256":"00","self_signed":false}"#;
        let read: Certificate = serde_json::from_str(old).unwrap();
        assert_eq!((read.subject.as_str(), read.key.as_str(), read.serial.as_str(), read.authority), ("CN=a", "", "", false));
    }

    #[test]
    fn an_instant_is_the_one_that_is_written_for_people() {
        assert_eq!(instant_ms("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(instant_ms("2000-02-29T23:59:59Z"), Some(951_868_799_000));
        // Every day of what `words::utc` writes, over a whole cycle of the calendar.
        for day in 0..146_097 {
            let text = utc(day * MS_A_DAY);
            assert_eq!(instant_ms(&format!("{}T00:00:00Z", &text[..10])), Some(day * MS_A_DAY), "{text}");
        }
        assert_eq!(instant_ms("9999-12-31T23:59:59Z"), Some(253_402_300_799_000));
    }

    #[test]
    fn what_is_no_instant_is_none() {
        for text in [
            "",
            "2027-01-31",
            "2027-01-31T23:59:59",
            "2027-01-31t23:59:59Z",
            "2027-01-31T23:59:60Z",
            "2027-01-31T24:00:00Z",
            "2027-02-29T00:00:00Z",
            "2100-02-29T00:00:00Z",
            "2027-04-31T00:00:00Z",
            "2027-13-01T00:00:00Z",
            "2027-00-01T00:00:00Z",
            "2027-01-00T00:00:00Z",
            "+027-01-01T00:00:00Z",
            "20270-1-01T00:00:00Z",
            "2027-01-01T00:00:0éZ",
            "1969-12-31T23:59:59Z",
        ] {
            assert_eq!(instant_ms(text), None, "{text}");
        }
    }

    #[test]
    fn validity_counts_whole_days_of_the_calendar_and_both_ends_belong_to_it() {
        let certificate = dated("2027-01-10T12:00:00Z", "2027-02-20T12:00:00Z");
        let at = |text: &str| certificate.validity(instant_ms(text).unwrap());
        assert_eq!(at("2027-01-08T23:59:59Z"), Validity::NotYet { days: 2 });
        assert_eq!(at("2027-01-10T11:59:59Z"), Validity::NotYet { days: 0 });
        assert_eq!(at("2027-01-10T12:00:00Z"), Validity::Valid { days_left: 41 });
        assert_eq!(at("2027-02-19T23:59:59Z"), Validity::Valid { days_left: 1 });
        assert_eq!(certificate.validity(instant_ms("2027-02-20T12:00:00Z").unwrap() + 999), Validity::Valid { days_left: 0 });
        assert_eq!(at("2027-02-20T12:00:01Z"), Validity::Expired { days_ago: 0 });
        assert_eq!(at("2027-02-23T00:00:00Z"), Validity::Expired { days_ago: 3 });
    }

    #[test]
    fn validity_reaches_beyond_1970_and_says_so_where_it_is_unknown() {
        assert_eq!(dated("1950-01-01T00:00:00Z", "1969-12-31T00:00:00Z").validity(0), Validity::Expired { days_ago: 1 });
        assert!(matches!(dated("0000-01-01T00:00:00Z", "9999-12-31T23:59:59Z").validity(0), Validity::Valid { .. }));
        assert_eq!(dated("", "2027-02-20T12:00:00Z").validity(0), Validity::Unknown);
        assert_eq!(dated("2027-02-20T12:00:00Z", "soon").validity(0), Validity::Unknown);
    }

    #[test]
    fn only_a_valid_certificate_expires_soon() {
        assert!(Validity::Valid { days_left: 30 }.expires_soon() && Validity::Valid { days_left: 0 }.expires_soon());
        assert!(!Validity::Valid { days_left: 31 }.expires_soon());
        assert!(!Validity::Expired { days_ago: 0 }.expires_soon() && !Validity::NotYet { days: 0 }.expires_soon());
    }

    #[test]
    fn a_fingerprint_is_grouped_for_reading() {
        assert_eq!(fingerprint_words("ab12cd34e"), "AB12 CD34 E");
        assert_eq!(fingerprint_words(""), "");
    }
}
