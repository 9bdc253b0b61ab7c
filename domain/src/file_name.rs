//! The name of a file that somebody else chose: what is kept of it, so that it means nothing but a name wherever it is shown,
//! written into a header or saved under.

/// The most characters of a name.
pub const MAX_FILE_NAME: usize = 200;
/// What a file is called that has no name.
pub const NAMELESS: &str = "attachment";
/// An ending that is longer is a part of the name.
const MAX_EXTENSION: usize = 20;

/// What may be kept of the name of a file: its last part, without controls and line ends, without characters that turn the
/// direction of text or can't be seen, and without quotes; what file systems take for something else is `_`. At most
/// [`MAX_FILE_NAME`] characters, with the ending. Never empty: [`NAMELESS`] where nothing is left.
///
/// ```
/// use domain::file_name::safe_file_name;
/// assert_eq!(safe_file_name(r"C:\Users\anna\Offer.pdf"), "Offer.pdf");
/// assert_eq!(safe_file_name("../../etc/passwd\r\n"), "passwd");
/// ```
pub fn safe_file_name(name: &str) -> String {
    let kept = name.rsplit(['/', '\\']).map(cleaned).find(|part| !part.is_empty());
    kept.map_or_else(|| NAMELESS.into(), shortened)
}

/// A part of a path as a name; empty where it is none.
fn cleaned(part: &str) -> String {
    let kept = part.chars().filter(|&c| !is_dropped(c)).map(|c| if is_special(c) { '_' } else { c });
    let kept: String = kept.collect();
    // Windows drops dots and spaces at the end, so what stands before them would be the ending.
    kept.trim_start().trim_end_matches(|c: char| c == '.' || c.is_whitespace()).to_owned()
}

/// What is never kept: controls, what ends a line or turns the direction of text (UAX #9), what can't be seen, and quotes.
fn is_dropped(c: char) -> bool {
    c.is_control()
        || matches!(c, '"' | '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
        || matches!(c, '\u{fdd0}'..='\u{fdef}' | '\u{feff}' | '\u{fff9}'..='\u{ffff}' | '\u{e0000}'..='\u{e007f}')
}

/// What file systems and shells take for something else than a part of a name.
const fn is_special(c: char) -> bool {
    matches!(c, ':' | '*' | '?' | '<' | '>' | '|')
}

/// At most [`MAX_FILE_NAME`] characters.
fn shortened(name: String) -> String {
    if name.chars().nth(MAX_FILE_NAME).is_none() {
        return name;
    }
    let first = |text: &str, max: usize| text.chars().take(max).collect::<String>();
    match name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() && extension.chars().nth(MAX_EXTENSION).is_none() => {
            format!("{}.{extension}", first(stem, MAX_FILE_NAME - 1 - extension.chars().count()).trim_end())
        }
        _ => first(&name, MAX_FILE_NAME).trim_end().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_name_is_kept() {
        let table = [
            ("Offer.pdf", "Offer.pdf"),
            ("Angebot für Zoë.pdf", "Angebot für Zoë.pdf"),
            ("見積書.pdf", "見積書.pdf"),
            ("👩\u{200d}🔧.png", "👩\u{200d}🔧.png"),
            (".gitignore", ".gitignore"),
            ("it's 100%.txt", "it's 100%.txt"),
            // Paths.
            ("/etc/passwd", "passwd"),
            ("../../etc/passwd", "passwd"),
            (r"C:\Users\anna\Offer.pdf", "Offer.pdf"),
            (r"\\server\share\a.txt", "a.txt"),
            ("a/b\\c.txt", "c.txt"),
            ("directory/", "directory"),
            ("a/..", "a"),
            ("C:a.txt", "C_a.txt"),
            ("a.txt:stream", "a.txt_stream"),
            ("a*?<>|b", "a_____b"),
            // What would end a line or a quoted string.
            ("a\r\nBcc: eve@example.com.txt", "aBcc_ eve@example.com.txt"),
            ("a\"; filename=\"b.exe", "a; filename=b.exe"),
            ("a\0b\u{7f}c\u{85}d\u{9b}e", "abcde"),
            ("a\u{2028}b\u{2029}c", "abc"),
            // What would show another ending than there is.
            ("invoice\u{202e}fdp.exe", "invoicefdp.exe"),
            ("\u{61c}\u{200e}\u{200f}\u{202a}\u{202b}\u{202c}\u{202d}a\u{2066}\u{2067}\u{2068}\u{2069}", "a"),
            ("a\u{200b}\u{feff}\u{2060}\u{e0041}b", "ab"),
            ("a.pdf. . ", "a.pdf"),
            ("  a.pdf  ", "a.pdf"),
            // Nothing is left.
            ("", "attachment"),
            (" ", "attachment"),
            (".", "attachment"),
            ("..", "attachment"),
            ("/", "attachment"),
            (r"..\..", "attachment"),
            ("\r\n", "attachment"),
            ("\"\"", "attachment"),
            ("\u{202e}", "attachment"),
        ];
        for (name, expected) in table {
            let safe = safe_file_name(name);
            assert_eq!(safe, expected, "{name:?}");
            assert_eq!(safe_file_name(&safe), safe, "a safe name is one");
        }
    }

    #[test]
    fn a_long_name_keeps_its_ending() {
        let count = |name: &str| name.chars().count();
        let exact = format!("{}.pdf", "a".repeat(196));
        assert_eq!(safe_file_name(&exact), exact);
        for long in
            [format!("{}.pdf", "a".repeat(197)), format!("{}.pdf", "ä".repeat(100_000)), format!("{}.pdf", "a.".repeat(500))]
        {
            let safe = safe_file_name(&long);
            assert_eq!((count(&safe), safe.rsplit_once('.').map(|(_, ending)| ending)), (200, Some("pdf")), "{safe}");
        }
        assert_eq!(safe_file_name(&"a".repeat(300)), "a".repeat(200));
        assert_eq!(safe_file_name(&format!("a.{}", "b".repeat(300))), format!("a.{}", "b".repeat(198)));
        assert_eq!(safe_file_name(&format!(".{}", "b".repeat(300))), format!(".{}", "b".repeat(199)));
        assert_eq!(safe_file_name(&format!("{} .pdf", " a".repeat(100))).chars().count(), 199);
    }
}
