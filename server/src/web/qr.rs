//! QR codes, as a path of an SVG: an image that needs no file and no address.

use std::fmt::Write as _;

use qrcode::{Color, QrCode};

/// The squares of the code that says `text`: how many a side has, the quiet zone included, and the path of the dark ones. Nothing where it
/// is too long for one.
pub(super) fn squares(text: &str) -> Option<(usize, String)> {
    /// As wide as ISO/IEC 18004 wants it.
    const QUIET: usize = 4;
    let code = QrCode::new(text).ok()?;
    let width = code.width();
    let mut path = String::new();
    for (at, color) in code.to_colors().into_iter().enumerate() {
        if color == Color::Dark {
            let _ = write!(path, "M{} {}h1v1h-1z", at % width + QUIET, at / width + QUIET);
        }
    }
    Some((width + 2 * QUIET, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_its_finder_patterns_and_a_quiet_zone() {
        let (size, path) = squares("otpauth://totp/Postroom:anna?secret=ABC").unwrap();
        assert!(size > 21 + 8, "{size}");
        for corner in [(4, 4), (size - 5, 4), (4, size - 5)] {
            assert!(path.contains(&format!("M{} {}h1v1h-1z", corner.0, corner.1)), "{corner:?}");
        }
        assert!(!path.contains("M3 ") && !path.contains(" 3h"));
        assert!(squares(&"x".repeat(4_000)).is_none());
    }
}
