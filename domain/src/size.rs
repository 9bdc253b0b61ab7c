//! Sizes as people type them: `10 MB`, `512 KiB`, `0`.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::field::FieldError;

/// A number of bytes.
///
/// Units count as mail servers count them: `KB` and `KiB` are 1,024 bytes, `MB` and `MiB` 1,048,576, `GB` and `GiB`
/// 1,073,741,824. A server's "25 MB" limit means that, and an administrator copies it here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Size(u64);

/// The largest size that can be entered: 1 TiB. No mail server takes more, and sums of it never overflow.
pub const MAX_SIZE: Size = Size(1 << 40);

/// How many bytes of a file become one line of base64 (RFC 2045 section 6.8).
pub const BYTES_A_LINE: u64 = 57;

/// How many bytes a file of so many has as an attachment: in base64, in lines of 76 characters and their ends.
pub const fn encoded_size(bytes: u64) -> u64 {
    bytes.div_ceil(3).saturating_mul(4).saturating_add(bytes.div_ceil(BYTES_A_LINE).saturating_mul(2))
}

impl Size {
    /// A size of so many bytes; at most [`MAX_SIZE`] is ever accepted from outside.
    pub const fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// The number of bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }

    /// Reads digits, with an optional decimal part (`.` or `,`) where a unit follows, and an optional unit: `B`, `KB`,
    /// `KiB`, `MB`, `MiB`, `GB`, `GiB`, in any case; without one the number means bytes. Spaces may stand between.
    ///
    /// # Errors
    /// [`FieldError::Required`], [`FieldError::SizeUnit`], [`FieldError::SizeNumber`] or [`FieldError::SizeTooLarge`].
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(FieldError::Required);
        }
        let not_a_number = || FieldError::SizeNumber { text: crate::words::quote(text) };
        let unit_at = text.find(|c: char| c.is_alphabetic()).unwrap_or(text.len());
        let (number, unit) = text.split_at(unit_at);
        let shift = match unit.trim().to_ascii_lowercase().as_str() {
            "" | "b" | "byte" | "bytes" => 0,
            "k" | "kb" | "kib" => 10,
            "m" | "mb" | "mib" => 20,
            "g" | "gb" | "gib" => 30,
            other => return Err(FieldError::SizeUnit { unit: crate::words::quote(other) }),
        };
        let number: String = number.chars().filter(|c| !matches!(c, ' ' | '\u{a0}' | '\u{202f}')).collect();
        let (whole, fraction) = number.split_once(['.', ',']).unwrap_or((&number, ""));
        let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(fraction) || (shift == 0 && number.len() != whole.len()) {
            return Err(not_a_number());
        }
        let whole: u128 = match whole.trim_start_matches('0') {
            "" => 0,
            w if w.len() > 20 => return Err(FieldError::SizeTooLarge),
            w => w.parse().map_err(|_| not_a_number())?,
        };
        // Six decimal places are finer than a byte of a MiB; the rest is cut.
        let places = fraction.len().min(6);
        let fraction: u128 =
            fraction.get(..places).filter(|f| !f.is_empty()).map_or(Ok(0), str::parse).map_err(|_| not_a_number())?;
        let scale = 10_u128.pow(u32::try_from(places).unwrap_or(0));
        let bytes = (whole << shift) + (fraction << shift) / scale;
        match u64::try_from(bytes) {
            Ok(bytes) if bytes <= MAX_SIZE.0 => Ok(Self(bytes)),
            _ => Err(FieldError::SizeTooLarge),
        }
    }
}

/// The shortest text that [`Size::parse`] reads as the same number of bytes: `10 MB`, `1000 bytes`.
impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (shift, unit) in [(30, "GB"), (20, "MB"), (10, "KB")] {
            if self.0 != 0 && self.0.trailing_zeros() >= shift {
                return write!(f, "{} {unit}", self.0 >> shift);
            }
        }
        if self.0 == 0 { f.write_str("0") } else { write!(f, "{} bytes", self.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attachment_is_some_thirty_seven_percent_bigger_than_its_file() {
        for (bytes, encoded) in [(0, 0), (1, 6), (57, 78), (58, 84), (114, 156), (10 << 20, 14_348_938)] {
            assert_eq!(encoded_size(bytes), encoded, "{bytes}");
        }
    }

    #[test]
    fn sizes_are_read_as_mail_servers_count() {
        for (text, bytes) in [
            ("0", 0),
            ("10 MB", 10_485_760),
            ("10MiB", 10_485_760),
            ("512 KiB", 524_288),
            ("512 kb", 524_288),
            ("1,5 MB", 1_572_864),
            ("1.5 m", 1_572_864),
            ("1 000 000", 1_000_000),
            ("1000 bytes", 1000),
            ("0.0000001 MB", 0),
            ("1 GB", 1 << 30),
            ("1024 GB", 1 << 40),
            ("00012", 12),
        ] {
            assert_eq!(Size::parse(text), Ok(Size(bytes)), "{text:?}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in ["", " "] {
            assert_eq!(Size::parse(text), Err(FieldError::Required));
        }
        for text in ["-1", "1.5", "1..5 MB", "MB", ".5 MB", "+3 KB", "٣ KB", "1 2.3.4 MB"] {
            assert!(matches!(Size::parse(text), Err(FieldError::SizeNumber { .. })), "{text:?}");
        }
        for text in ["10 TB", "10 MBit", "0x10", "1e3", "10 M B"] {
            assert!(matches!(Size::parse(text), Err(FieldError::SizeUnit { .. })), "{text:?}");
        }
        for text in ["1025 GB", "99999999999999999999 GB", &"9".repeat(100_000)] {
            assert_eq!(Size::parse(text), Err(FieldError::SizeTooLarge), "{text:.20}");
        }
    }

    #[test]
    fn what_is_shown_is_read_again() {
        for bytes in [0, 1, 999, 1024, 1025, 10_485_760, 1 << 30, (1 << 40) - 1, 1 << 40] {
            assert_eq!(Size::parse(&Size(bytes).to_string()), Ok(Size(bytes)));
        }
    }
}
