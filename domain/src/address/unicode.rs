//! What Unicode says of a character, as far as an address asks: is it assigned, and can it be seen?
//!
//! The table holds one bit a code point for Unicode 17.0 (`General_Category` other than Cn), as run lengths: small
//! enough for the browser, so that both sides give the same verdict. Which characters are letters of a domain name is
//! left to [`crate::idn`].

/// The Unicode version that decides which code points are assigned.
pub const UNICODE_VERSION: (u8, u8, u8) = (17, 0, 0);

/// What kind of harm or oddity a non-ASCII character brings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Class {
    /// A character one can see, or a combining mark.
    Plain,
    /// A C1 control, or a line or paragraph separator.
    Control,
    /// Changes the direction of the text, or has no width.
    Unseen,
    /// Not assigned in [`UNICODE_VERSION`].
    Unassigned,
    /// A space other than U+0020, a full-width at-sign, or a choice between text and emoji ([`follows_visible`]): fine in a
    /// display name, a slip or a trap in an address.
    Slip,
}

/// The class of a character from U+0080 on.
pub(super) fn class(c: char) -> Class {
    match c {
        '\u{80}'..='\u{9f}' | '\u{2028}' | '\u{2029}' => Class::Control,
        // Zs; the variation selectors that emoji need; the at-signs of other widths.
        '\u{a0}'
        | '\u{1680}'
        | '\u{2000}'..='\u{200a}'
        | '\u{202f}'
        | '\u{205f}'
        | '\u{3000}'
        | '\u{fe0e}'
        | '\u{fe0f}'
        | '\u{fe6b}'
        | '\u{ff20}' => Class::Slip,
        // The rest of Default_Ignorable_Code_Point, all of Bidi_Control within, and the interlinear annotations.
        '\u{ad}'
        | '\u{34f}'
        | '\u{61c}'
        | '\u{115f}'
        | '\u{1160}'
        | '\u{17b4}'
        | '\u{17b5}'
        | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{3164}'
        | '\u{fe00}'..='\u{fe0d}'
        | '\u{feff}'
        | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}'
        | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}' => Class::Unseen,
        c if is_assigned(c) => Class::Plain,
        _ => Class::Unassigned,
    }
}

/// Whether a character is no variation selector, or stands after one that it can change.
pub(super) fn follows_visible(c: char, before: Option<char>) -> bool {
    !matches!(c, '\u{fe0e}' | '\u{fe0f}')
        || before.is_some_and(|c| {
            if c.is_ascii() { c.is_ascii_alphanumeric() || matches!(c, '#' | '*') } else { class(c) == Class::Plain }
        })
}

/// What looks like a dot, a comma or a semicolon, and is not.
pub(super) fn is_wide_separator(c: char) -> bool {
    matches!(c, '\u{3002}' | '\u{ff0c}' | '\u{ff0e}' | '\u{ff1b}' | '\u{ff61}')
}

/// The first character of a label that is none of a label's, and its place: punctuation and symbols (RFC 5892 section 2.6),
/// without the tables. U+30FB may stand beside Japanese letters (appendix A.7).
pub(super) fn symbol(label: &str) -> Option<(usize, char)> {
    let japanese =
        |c| matches!(c, '\u{3005}'..='\u{3007}' | '\u{3041}'..='\u{3096}' | '\u{30a1}'..='\u{30fa}' | '\u{3400}'..='\u{9fff}');
    let mut beside = None;
    let mut is_wrong = |c| if c == '\u{30fb}' { !*beside.get_or_insert_with(|| label.contains(japanese)) } else { is_symbol(c) };
    label.char_indices().find(|(_, c)| is_wrong(*c))
}

/// Whole blocks where no letter is in them. What UTS 46 would make of them (`½`, `™`, `𝟏`) is not what was meant either.
fn is_symbol(c: char) -> bool {
    match c {
        // Letters among them; U+00B7 stands between two of them.
        'ª' | 'µ' | '·' | 'º' | '\u{2126}' | '\u{212a}' | '\u{212b}' | '\u{214e}' | '\u{2184}' => false,
        _ => matches!(
            c,
            '\u{a1}'..='\u{bf}'
                | '×'
                | '÷'
                | '\u{2c2}'..='\u{2c5}'
                | '\u{2d2}'..='\u{2df}'
                | '\u{37e}'
                | '\u{55a}'..='\u{55f}'
                | '\u{589}'
                | '\u{58a}'
                | '\u{60c}'
                | '\u{61b}'
                | '\u{61d}'..='\u{61f}'
                | '\u{66a}'..='\u{66d}'
                | '\u{6d4}'
                | '\u{964}'
                | '\u{965}'
                | '\u{e3f}'
                | '\u{2010}'..='\u{2bff}'
                | '\u{2e00}'..='\u{2e7f}'
                | '\u{3001}'..='\u{3004}'
                | '\u{3008}'..='\u{303f}'
                | '\u{3200}'..='\u{33ff}'
                | '\u{fe10}'..='\u{fe1f}'
                | '\u{fe30}'..='\u{fe6f}'
                | '\u{ff01}'..='\u{ff0f}'
                | '\u{ff1a}'..='\u{ff20}'
                | '\u{ff3b}'..='\u{ff40}'
                | '\u{ff5b}'..='\u{ff65}'
                | '\u{ffe0}'..='\u{ffee}'
                | '\u{1d000}'..='\u{1d7ff}'
                | '\u{1f000}'..='\u{1fbff}'
        ),
    }
}

/// Whether `c`, from U+0080 on, is assigned in [`UNICODE_VERSION`].
fn is_assigned(c: char) -> bool {
    let c = u32::from(c);
    let mark = MARKS.partition_point(|mark| mark.start <= c) - 1;
    let Mark { mut start, mut at } = MARKS[mark];
    // Marks stand before runs of assigned code points, so the first run says yes, the second no.
    let mut assigned = true;
    while at < RUNS.len() {
        let (length, next) = run(at);
        start += length;
        if c < start {
            return assigned;
        }
        assigned = !assigned;
        at = next;
    }
    false
}

/// A place to enter [`RUNS`]: the code point at which the run at a byte offset starts.
#[derive(Clone, Copy)]
struct Mark {
    start: u32,
    at: usize,
}

/// A mark every so many runs bounds the walk; even, so that each stands before a run of assigned code points.
const STRIDE: usize = 32;

/// The length of the run at a byte offset (LEB128), and the offset of the next.
const fn run(mut at: usize) -> (u32, usize) {
    let (mut length, mut shift) = (0, 0);
    loop {
        let byte = RUNS[at];
        length |= ((byte & 0x7f) as u32) << shift;
        at += 1;
        if byte < 0x80 {
            return (length, at);
        }
        shift += 7;
    }
}

const COUNT: usize = {
    let (mut at, mut count) = (0, 0);
    while at < RUNS.len() {
        at = run(at).1;
        count += 1;
    }
    count
};

static MARKS: [Mark; COUNT.div_ceil(STRIDE)] = {
    let mut marks = [Mark { start: 0, at: 0 }; COUNT.div_ceil(STRIDE)];
    let (mut at, mut start, mut i) = (0, 0x80, 0);
    while at < RUNS.len() {
        if i % STRIDE == 0 {
            marks[i / STRIDE] = Mark { start, at };
        }
        let (length, next) = run(at);
        start += length;
        at = next;
        i += 1;
    }
    marks
};

/// Run lengths from U+0080 on, assigned and unassigned in turn, seven bits a byte, low bits first.
#[rustfmt::skip]
static RUNS: [u8; 1570] = [
    248, 5, 2, 6, 4, 7, 1, 1, 1, 20, 1, 141, 3, 1, 38, 1, 56, 1, 57, 6, 27, 4, 6, 11, 142, 2, 1, 60, 2, 101, 14, 59,
    2, 49, 2, 15, 1, 28, 2, 1, 1, 11, 5, 34, 5, 237, 1, 1, 8, 2, 2, 2, 22, 1, 7, 1, 1, 3, 4, 2, 9, 2, 2, 2, 4, 8, 1,
    4, 2, 1, 5, 2, 25, 2, 3, 1, 6, 4, 2, 2, 22, 1, 7, 1, 2, 1, 2, 1, 2, 2, 1, 1, 5, 4, 2, 2, 3, 3, 1, 7, 4, 1, 1, 7,
    17, 10, 3, 1, 9, 1, 3, 1, 22, 1, 7, 1, 2, 1, 5, 2, 10, 1, 3, 1, 3, 2, 1, 15, 4, 2, 12, 7, 7, 1, 3, 1, 8, 2, 2,
    2, 22, 1, 7, 1, 2, 1, 5, 2, 9, 2, 2, 2, 3, 5, 5, 4, 2, 1, 5, 2, 18, 10, 2, 1, 6, 3, 3, 1, 4, 3, 2, 1, 1, 1, 2,
    3, 2, 3, 3, 3, 12, 4, 5, 3, 3, 1, 4, 2, 1, 6, 1, 14, 21, 5, 13, 1, 3, 1, 23, 1, 16, 2, 9, 1, 3, 1, 4, 7, 2, 1,
    3, 1, 2, 2, 4, 2, 10, 7, 22, 1, 3, 1, 23, 1, 10, 1, 5, 2, 9, 1, 3, 1, 4, 7, 2, 5, 3, 1, 4, 2, 10, 1, 3, 12, 13,
    1, 3, 1, 51, 1, 3, 1, 6, 4, 16, 2, 26, 1, 3, 1, 18, 3, 24, 1, 9, 1, 1, 2, 7, 3, 1, 4, 6, 1, 1, 1, 8, 6, 10, 2,
    3, 12, 58, 4, 29, 37, 2, 1, 1, 1, 5, 1, 24, 1, 1, 1, 23, 2, 5, 1, 1, 1, 7, 1, 10, 2, 4, 32, 72, 1, 36, 4, 39, 1,
    36, 1, 15, 1, 13, 37, 198, 1, 1, 1, 5, 1, 2, 249, 2, 1, 4, 2, 7, 1, 1, 1, 4, 2, 41, 1, 4, 2, 33, 1, 4, 2, 7, 1,
    1, 1, 4, 2, 15, 1, 57, 1, 4, 2, 67, 2, 32, 3, 26, 6, 86, 2, 6, 2, 157, 5, 3, 89, 7, 22, 9, 24, 9, 20, 12, 13, 1,
    3, 1, 2, 12, 94, 2, 10, 6, 10, 6, 26, 6, 89, 7, 43, 5, 70, 10, 31, 1, 12, 4, 12, 4, 1, 3, 42, 2, 5, 11, 44, 4,
    26, 6, 11, 3, 62, 2, 65, 1, 29, 2, 11, 6, 10, 6, 14, 2, 65, 15, 77, 1, 166, 1, 8, 60, 3, 15, 3, 62, 5, 43, 2,
    11, 8, 43, 5, 150, 4, 2, 6, 2, 38, 2, 6, 2, 8, 1, 1, 1, 1, 1, 1, 1, 31, 2, 53, 1, 15, 1, 14, 2, 6, 1, 19, 2, 3,
    1, 9, 1, 101, 1, 12, 2, 81, 11, 33, 15, 140, 1, 4, 154, 5, 22, 11, 21, 148, 14, 2, 254, 2, 5, 45, 1, 1, 5, 1, 2,
    56, 7, 2, 14, 24, 9, 7, 1, 7, 1, 7, 1, 7, 1, 7, 1, 7, 1, 7, 1, 7, 1, 126, 2, 4, 28, 26, 1, 89, 12, 214, 1, 26,
    80, 1, 86, 2, 103, 5, 43, 1, 94, 1, 86, 9, 48, 1, 237, 228, 1, 3, 55, 9, 220, 2, 20, 184, 1, 8, 222, 1, 4, 1,
    14, 60, 3, 10, 6, 56, 8, 70, 8, 12, 6, 116, 11, 30, 3, 78, 1, 11, 4, 33, 1, 55, 9, 14, 2, 10, 2, 103, 24, 28,
    10, 6, 2, 6, 2, 6, 9, 7, 1, 7, 1, 62, 2, 126, 2, 10, 6, 164, 87, 12, 23, 4, 49, 4, 238, 68, 2, 106, 38, 7, 12,
    5, 5, 26, 1, 5, 1, 1, 1, 2, 1, 2, 1, 138, 5, 32, 42, 6, 51, 1, 19, 1, 4, 4, 5, 1, 135, 1, 2, 1, 1, 190, 1, 3, 6,
    2, 6, 2, 6, 2, 3, 3, 7, 1, 7, 10, 5, 2, 12, 1, 26, 1, 19, 1, 2, 1, 15, 2, 14, 34, 123, 5, 3, 4, 45, 3, 88, 1,
    13, 3, 1, 47, 46, 130, 1, 29, 3, 49, 15, 28, 4, 36, 9, 30, 5, 43, 5, 30, 1, 37, 4, 14, 42, 158, 1, 2, 10, 6, 36,
    4, 36, 4, 40, 8, 52, 11, 12, 1, 15, 1, 7, 1, 2, 1, 11, 1, 15, 1, 7, 1, 2, 3, 52, 12, 183, 2, 9, 22, 10, 8, 24,
    6, 1, 42, 1, 14, 64, 6, 2, 1, 1, 44, 1, 2, 3, 1, 2, 23, 1, 72, 8, 9, 48, 19, 1, 2, 5, 33, 3, 27, 5, 27, 38, 56,
    4, 20, 2, 50, 1, 2, 5, 8, 1, 3, 1, 29, 2, 3, 4, 10, 7, 9, 7, 64, 32, 39, 4, 12, 9, 54, 3, 29, 2, 27, 5, 26, 7,
    4, 12, 7, 80, 73, 55, 51, 13, 51, 7, 46, 8, 10, 6, 38, 3, 29, 8, 2, 208, 1, 31, 1, 42, 1, 3, 2, 2, 16, 6, 1, 38,
    1, 56, 8, 42, 22, 26, 38, 28, 20, 23, 9, 78, 4, 36, 9, 68, 10, 1, 2, 25, 7, 10, 6, 53, 1, 18, 8, 39, 9, 96, 1,
    20, 11, 18, 1, 47, 62, 7, 1, 1, 1, 4, 1, 15, 1, 11, 6, 59, 5, 10, 6, 4, 1, 8, 2, 2, 2, 22, 1, 7, 1, 2, 1, 5, 1,
    10, 2, 2, 2, 3, 2, 1, 6, 1, 5, 7, 2, 7, 3, 5, 11, 10, 1, 1, 2, 1, 1, 38, 1, 10, 1, 1, 2, 1, 1, 4, 1, 10, 1, 2,
    8, 2, 29, 92, 1, 5, 30, 72, 8, 10, 166, 1, 54, 2, 38, 34, 69, 11, 10, 6, 13, 19, 58, 6, 10, 6, 20, 28, 27, 2,
    15, 4, 23, 185, 1, 60, 100, 83, 12, 8, 2, 1, 2, 8, 1, 2, 1, 30, 1, 2, 2, 12, 9, 10, 70, 8, 2, 46, 2, 11, 27, 72,
    8, 83, 13, 73, 7, 11, 85, 8, 88, 34, 14, 10, 6, 9, 1, 45, 1, 14, 10, 29, 3, 32, 2, 22, 1, 14, 73, 7, 1, 2, 1,
    44, 3, 1, 1, 2, 1, 9, 8, 10, 6, 6, 1, 2, 1, 37, 1, 2, 1, 6, 7, 10, 6, 44, 4, 10, 6, 2, 238, 1, 25, 7, 17, 1, 41,
    3, 29, 85, 1, 15, 50, 13, 155, 7, 102, 196, 2, 12, 183, 2, 137, 18, 99, 13, 214, 8, 10, 155, 31, 5, 199, 4, 185,
    53, 58, 198, 13, 185, 4, 7, 31, 1, 10, 4, 81, 1, 10, 6, 30, 2, 6, 10, 70, 10, 10, 1, 7, 1, 21, 5, 19, 176, 3,
    58, 198, 1, 91, 5, 25, 2, 25, 44, 75, 4, 57, 7, 17, 64, 5, 11, 7, 9, 219, 57, 36, 34, 95, 115, 13, 146, 7, 14,
    51, 157, 60, 4, 1, 7, 1, 2, 1, 169, 2, 9, 1, 29, 3, 2, 1, 14, 5, 7, 140, 3, 132, 18, 107, 5, 13, 3, 9, 7, 10, 2,
    8, 220, 30, 253, 1, 3, 180, 3, 6, 23, 1, 3, 8, 33, 2, 46, 2, 23, 9, 116, 60, 246, 1, 10, 198, 2, 10, 50, 62, 20,
    12, 20, 12, 87, 9, 25, 135, 1, 85, 1, 71, 1, 2, 2, 1, 2, 2, 2, 4, 1, 12, 1, 1, 1, 7, 1, 65, 1, 4, 2, 8, 1, 7, 1,
    28, 1, 4, 1, 5, 1, 1, 3, 7, 1, 213, 2, 1, 164, 2, 2, 190, 5, 15, 5, 1, 15, 80, 29, 227, 7, 130, 1, 14, 7, 54,
    58, 1, 17, 2, 7, 1, 2, 1, 5, 5, 62, 33, 1, 112, 45, 3, 14, 2, 10, 4, 2, 192, 2, 31, 17, 58, 5, 1, 208, 3, 42,
    214, 1, 43, 4, 1, 192, 1, 31, 1, 22, 8, 2, 224, 1, 7, 1, 4, 1, 2, 1, 15, 1, 197, 1, 2, 16, 41, 76, 4, 10, 4, 2,
    145, 6, 68, 76, 61, 194, 1, 4, 1, 27, 1, 2, 1, 1, 2, 1, 1, 10, 1, 4, 1, 1, 1, 1, 6, 1, 4, 1, 1, 1, 1, 1, 1, 3,
    1, 2, 1, 1, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 1, 1, 2, 4, 1, 7, 1, 4, 1, 4, 1, 1, 1, 10, 1, 17, 5, 3, 1, 5, 1,
    17, 52, 2, 142, 2, 44, 4, 100, 12, 15, 2, 15, 1, 15, 1, 37, 10, 175, 1, 55, 29, 13, 44, 4, 9, 7, 2, 14, 6, 154,
    1, 218, 7, 2, 17, 3, 13, 3, 220, 1, 4, 12, 4, 28, 4, 56, 8, 10, 6, 40, 8, 30, 2, 12, 4, 2, 14, 9, 39, 216, 2, 8,
    14, 2, 13, 3, 71, 1, 1, 3, 18, 1, 13, 3, 12, 5, 147, 1, 1, 103, 133, 8, 224, 205, 2, 32, 159, 34, 1, 142, 45, 2,
    177, 58, 15, 238, 4, 162, 19, 158, 4, 226, 11, 203, 38, 5, 170, 66, 134, 183, 2, 192, 88, 193, 135, 40, 1, 30,
    96, 128, 1, 240, 1, 144, 252, 3, 254, 255, 3, 2, 254, 255, 3, 2,
];

#[cfg(test)]
mod tests {
    use icu_properties::CodePointMapData;
    use icu_properties::props::GeneralCategory;

    use super::{Class, RUNS, class, is_assigned, is_symbol};

    /// The table is made here, from the Unicode data that IDNA uses. A newer Unicode version fails with the new table.
    #[test]
    fn the_table_is_that_of_the_named_version() {
        let categories = CodePointMapData::<GeneralCategory>::new();
        let assigned = |code: u32| (0xd800..0xe000).contains(&code) || categories.get32(code) != GeneralCategory::Unassigned;
        let mut expected = Vec::new();
        let mut start = 0x80;
        for code in 0x81..=0x11_0000 {
            if code == 0x11_0000 || assigned(code) != assigned(start) {
                let mut length = code - start;
                start = code;
                while length >= 0x80 {
                    expected.push(u8::try_from(length & 0x7f | 0x80).expect("an octet"));
                    length >>= 7;
                }
                expected.push(u8::try_from(length).expect("an octet"));
            }
        }
        assert_eq!(RUNS.as_slice(), expected, "another Unicode version: put its table and its name here");
        for c in '\u{80}'..=char::MAX {
            assert_eq!(is_assigned(c), assigned(u32::from(c)), "{c:?}");
        }
    }

    /// Letters, marks and digits count as symbols only in blocks that RFC 5892 disallows, too.
    #[test]
    fn letters_are_no_symbols() {
        let categories = CodePointMapData::<GeneralCategory>::new();
        for c in '\u{80}'..=char::MAX {
            let is_letter = matches!(
                categories.get(c),
                GeneralCategory::LowercaseLetter
                    | GeneralCategory::OtherLetter
                    | GeneralCategory::ModifierLetter
                    | GeneralCategory::NonspacingMark
                    | GeneralCategory::SpacingMark
                    | GeneralCategory::DecimalNumber
            );
            let is_disallowed = matches!(
                c,
                '\u{2070}'..='\u{214f}' | '\u{2e2f}' | '\u{302a}'..='\u{303f}' | '\u{1d100}'..='\u{1d7ff}' | '\u{1fbf0}'..='\u{1fbf9}'
            );
            assert!(!is_letter || !is_symbol(c) || is_disallowed, "U+{:04X}", u32::from(c));
        }
    }

    #[test]
    fn what_cannot_be_seen_is_known() {
        for (c, expected) in [
            ('é', Class::Plain),
            ('\u{301}', Class::Plain),
            ('😀', Class::Plain),
            ('\u{e000}', Class::Plain),
            ('\u{85}', Class::Control),
            ('\u{2028}', Class::Control),
            ('\u{ad}', Class::Unseen),
            ('\u{200d}', Class::Unseen),
            ('\u{202e}', Class::Unseen),
            ('\u{2069}', Class::Unseen),
            ('\u{feff}', Class::Unseen),
            ('\u{e0041}', Class::Unseen),
            ('\u{378}', Class::Unassigned),
            ('\u{10ffff}', Class::Unassigned),
            ('\u{a0}', Class::Slip),
            ('\u{fe0f}', Class::Slip),
            ('\u{fe00}', Class::Unseen),
            ('\u{e0100}', Class::Unseen),
            ('＠', Class::Slip),
        ] {
            assert_eq!(class(c), expected, "{c:?}");
        }
    }
}
