//! Telephone numbers as people and programs write them, read as what is dialled from anywhere (E.164).

use std::borrow::Cow;
use std::fmt;

use super::country::{Country, Trunk};
use crate::words;

/// A telephone number as ITU-T E.164 has it: a calling code and a national number, at most 15 digits together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FaxNumber {
    digits: String,
}

/// The most characters of a text that is read as a number. With every separator and parameter an honest one has about 60.
pub const MAX_TYPED: usize = 100;
/// The digits of a number, the calling code included (E.164 section 6). Shorter ones are no numbers that can be dialled from abroad.
pub const DIGITS: (usize, usize) = (6, 15);

/// Why a text is no number. Texts are shortened and made visible by [`words::quote`] before they get in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaxNumberError {
    /// There is nothing.
    Empty,
    /// More characters than any number has.
    TooLong,
    /// A character that stands in no number.
    Character {
        /// Which one.
        character: char,
    },
    /// Fewer digits than a number has, or more; the calling code counts.
    Length {
        /// How many there are.
        digits: usize,
    },
    /// Fewer digits than a number of this country has, or more; the calling code doesn't count.
    NationalLength {
        /// The country, or one that shares its calling code.
        country: Country,
        /// How many there are.
        digits: usize,
        /// How many there must be.
        wanted: usize,
    },
    /// It doesn't begin with a plus, and nobody said of which country it is.
    NoCountry,
    /// It has no area code.
    NoAreaCode {
        /// The country it was read for.
        country: Country,
    },
    /// It begins like an international number, but there they don't begin so.
    NoExit {
        /// The country it was read for.
        country: Country,
    },
    /// After the plus comes no calling code.
    NoCallingCode,
    /// After the calling code comes what is dialled within the country only.
    TrunkAfterCode {
        /// The calling code.
        calling_code: u16,
    },
    /// A URI has a parameter that a fax has no use for, such as an extension.
    Parameter {
        /// Its name.
        name: String,
    },
    /// A URI is for a number that is known to somebody else only.
    Context {
        /// To whom.
        context: String,
    },
}

impl FaxNumber {
    /// Reads a number as people type it, with spaces, hyphens, dots, slashes and parentheses, or a `tel:` or `fax:` URI (RFC 3966,
    /// RFC 2806). What begins with neither `+` nor what is dialled before international numbers (`00` nearly everywhere) is a
    /// number of `country`.
    ///
    /// A `(0)` after the calling code is left out, except where numbers keep their zero (Italy). What can't be told for sure is
    /// refused: a fax to the wrong number is worse than none.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn parse(text: &str, country: Option<Country>) -> Result<Self, FaxNumberError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(FaxNumberError::Empty);
        }
        if text.chars().nth(MAX_TYPED).is_some() {
            return Err(FaxNumberError::TooLong);
        }
        let (number, context) = match after_scheme(text) {
            Some(rest) => read_uri(&decoded(rest))?,
            None => (text.to_owned(), None),
        };
        let typed = Typed::read(&number)?;
        let digits = typed.digits(context.or(country))?;
        let (min, max) = DIGITS;
        if !(min..=max).contains(&digits.len()) {
            return Err(FaxNumberError::Length { digits: digits.len() });
        }
        Ok(Self { digits })
    }

    /// The calling code and the national number, without a `+`.
    pub fn digits(&self) -> &str {
        &self.digits
    }
}

/// `+4930123456`.
impl fmt::Display for FaxNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+{}", self.digits)
    }
}

/// What follows `tel:` or `fax:`, if it is such a URI.
pub(super) fn after_scheme(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_once(':')?;
    ["tel", "fax"].iter().any(|known| scheme.eq_ignore_ascii_case(known)).then_some(rest)
}

/// The text with its percent-encoded ASCII characters (RFC 3986 section 2.1).
fn decoded(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let byte = after.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(u8::is_ascii);
        if let (Some(byte), Some(left)) = (byte, after.get(2..)) {
            out.push(char::from(byte));
            rest = left;
        } else {
            out.push('%');
            rest = after;
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// The number of a URI, and the country whose it is where its context says so. A context is a calling code or somebody's domain,
/// and no prefix of the number (RFC 3966 section 5.1.5).
fn read_uri(rest: &str) -> Result<(String, Option<Country>), FaxNumberError> {
    let mut parts = rest.split(';');
    let number = parts.next().unwrap_or_default();
    let mut country = None;
    for parameter in parts {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        if !name.trim().eq_ignore_ascii_case("phone-context") {
            return Err(FaxNumberError::Parameter { name: words::quote(name.trim()) });
        }
        let unknown = || FaxNumberError::Context { context: words::quote(value.trim()) };
        let code: String = value.trim().strip_prefix('+').ok_or_else(unknown)?.chars().filter(|c| !is_separator(*c)).collect();
        let found = Country::of_number(&code).filter(|country| country.calling_code().to_string() == code);
        country = Some(found.ok_or_else(unknown)?);
    }
    Ok((number.to_owned(), country))
}

/// What a number is written with to be read more easily: also the spaces and hyphens that word processors put in.
const fn is_separator(c: char) -> bool {
    matches!(
        c,
        ' ' | '-' | '.' | '/' | '(' | ')' | '\u{a0}' | '\u{2007}' | '\u{2009}' | '\u{202f}' | '\u{2010}'..='\u{2014}' | '\u{2212}'
    )
}

/// What was typed, without what only parts it.
struct Typed {
    plus: bool,
    digits: String,
    /// Before which digit a `(0)` stood.
    optional_zero: Option<usize>,
}

impl Typed {
    fn read(text: &str) -> Result<Self, FaxNumberError> {
        let mut typed = Self { plus: false, digits: String::new(), optional_zero: None };
        let mut rest = text.trim();
        while let Some(c) = rest.chars().next() {
            if let Some(after) = rest.strip_prefix("(0)").filter(|_| typed.optional_zero.is_none()) {
                typed.optional_zero = Some(typed.digits.len());
                rest = after;
                continue;
            }
            match c {
                '0'..='9' => typed.digits.push(c),
                '+' if !typed.plus && typed.digits.is_empty() && typed.optional_zero.is_none() => typed.plus = true,
                c if is_separator(c) => {}
                character => return Err(FaxNumberError::Character { character }),
            }
            rest = rest.get(c.len_utf8()..).unwrap_or_default();
        }
        if typed.digits.is_empty() {
            return Err(FaxNumberError::Length { digits: 0 });
        }
        Ok(typed)
    }

    /// The international number; one of `country` where nothing else is said.
    fn digits(&self, country: Option<Country>) -> Result<String, FaxNumberError> {
        if self.plus {
            return self.international(0);
        }
        let exit = country.map_or(Some("00"), Country::exit);
        if let Some(exit) = exit.filter(|exit| self.digits.starts_with(exit) && self.optional_zero != Some(0)) {
            return self.international(exit.len());
        }
        let Some(country) = country else { return Err(FaxNumberError::NoCountry) };
        if self.digits.starts_with("00") {
            return Err(FaxNumberError::NoExit { country });
        }
        self.national(country)
    }

    /// What follows the first `skipped` digits, as an international number.
    fn international(&self, skipped: usize) -> Result<String, FaxNumberError> {
        let digits = self.digits.get(skipped..).unwrap_or_default();
        if digits.is_empty() || digits.starts_with('0') {
            return Err(FaxNumberError::NoCallingCode);
        }
        let Some(country) = Country::of_number(digits) else {
            // Nobody knows whether a zero belongs to it.
            return if self.optional_zero.is_some() { Err(FaxNumberError::NoCallingCode) } else { Ok(digits.to_owned()) };
        };
        let calling_code = country.calling_code().to_string();
        let (_, number) = digits.split_at_checked(calling_code.len()).unwrap_or_default();
        let own_zero = country.trunk() == Trunk::OwnZero;
        let zero = match self.optional_zero {
            Some(at) if at != skipped + calling_code.len() => return Err(FaxNumberError::Character { character: '(' }),
            Some(_) if own_zero => "0",
            _ => "",
        };
        if number.starts_with('0') && !own_zero {
            return Err(FaxNumberError::TrunkAfterCode { calling_code: country.calling_code() });
        }
        join(country, &format!("{zero}{number}"))
    }

    /// A number of `country`.
    fn national(&self, country: Country) -> Result<String, FaxNumberError> {
        let mut digits = self.digits.clone();
        match self.optional_zero {
            None => {}
            Some(0) => digits.insert(0, '0'),
            Some(_) => return Err(FaxNumberError::Character { character: '(' }),
        }
        let no_area_code = || FaxNumberError::NoAreaCode { country };
        let number = match country.trunk() {
            Trunk::Nothing | Trunk::OwnZero => digits.as_str(),
            Trunk::Zero => digits.strip_prefix('0').ok_or_else(no_area_code)?,
            Trunk::ZeroSix => digits.strip_prefix("06").ok_or_else(no_area_code)?,
            Trunk::MaybeZero => digits.strip_prefix('0').unwrap_or(&digits),
            Trunk::One(_) => digits.strip_prefix('1').unwrap_or(&digits),
            Trunk::Eight(length) => {
                let without = ["80", "8"].iter().filter_map(|trunk| digits.strip_prefix(trunk)).find(|rest| rest.len() == length);
                without.unwrap_or(&digits)
            }
        };
        if number.starts_with('0') && country.trunk() != Trunk::OwnZero {
            return Err(no_area_code());
        }
        join(country, number)
    }
}

/// The calling code of `country` before a number that is as long as its numbers are, where that is known.
fn join(country: Country, number: &str) -> Result<String, FaxNumberError> {
    match country.trunk() {
        Trunk::One(wanted) | Trunk::Eight(wanted) if number.len() != wanted => {
            Err(FaxNumberError::NationalLength { country, digits: number.len(), wanted })
        }
        _ => Ok(format!("{}{number}", country.calling_code())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn country(code: &str) -> Option<Country> {
        (!code.is_empty()).then(|| Country::parse(code).unwrap())
    }

    fn check(code: &str, text: &str) -> Result<String, FaxNumberError> {
        FaxNumber::parse(text, country(code)).map(|number| number.to_string())
    }

    #[test]
    fn numbers_are_read_as_people_write_them() {
        for (code, text, number) in [
            // Without a country.
            ("", "+49 30 123456", "+4930123456"),
            ("", "  +49 (30) 12 34-56 ", "+4930123456"),
            ("", "+49 (0) 30 / 12 34 56", "+4930123456"),
            ("", "+49(0)30-123456", "+4930123456"),
            ("", "(+49) 30 123456", "+4930123456"),
            ("", "0049 30 123456", "+4930123456"),
            ("", "0049 (0)30 123456", "+4930123456"),
            ("", "+49.30.123456", "+4930123456"),
            ("", "+49\u{a0}30\u{202f}12\u{2011}34\u{2013}56", "+4930123456"),
            ("", "+870 773 123456", "+870773123456"),
            ("", "+43 1 501", "+431501"),
            // Germany (DIN 5008, and older ways).
            ("DE", "030 123456", "+4930123456"),
            ("DE", "030/123456", "+4930123456"),
            ("DE", "(030) 12 34 56", "+4930123456"),
            ("DE", "(0 30) 12 34 56", "+4930123456"),
            ("DE", "(0)30 123456", "+4930123456"),
            ("DE", "0 61 72 / 12 34-0", "+49617212340"),
            ("DE", "0049 30 123456", "+4930123456"),
            ("DE", "+43 1 58858-0", "+431588580"),
            // Austria.
            ("AT", "01 58858-0", "+431588580"),
            ("AT", "0316/873-0", "+433168730"),
            ("AT", "+43 (0)316 873 0", "+433168730"),
            ("AT", "0049 30 123456", "+4930123456"),
            // Switzerland.
            ("CH", "044 668 18 00", "+41446681800"),
            ("CH", "+41 (0)44 668 18 00", "+41446681800"),
            // Italy, San Marino and the Vatican keep their zero.
            ("IT", "06 6982 1234", "+390669821234"),
            ("IT", "+39 06 6982 1234", "+390669821234"),
            ("IT", "+39 (0)6 6982 1234", "+390669821234"),
            ("IT", "0039 06 6982 1234", "+390669821234"),
            ("", "+378 0549 882312", "+3780549882312"),
            // The North American Numbering Plan.
            ("US", "(212) 555-0100", "+12125550100"),
            ("US", "212.555.0100", "+12125550100"),
            ("US", "1-212-555-0100", "+12125550100"),
            ("US", "+1 (212) 555-0100", "+12125550100"),
            ("US", "011 49 30 123456", "+4930123456"),
            ("CA", "1 (416) 555 0100", "+14165550100"),
            // France.
            ("FR", "01 42 68 53 00", "+33142685300"),
            ("FR", "01.42.68.53.00", "+33142685300"),
            ("FR", "+33 (0)1 42 68 53 00", "+33142685300"),
            // The United Kingdom.
            ("GB", "020 7946 0958", "+442079460958"),
            ("GB", "(020) 7946 0958", "+442079460958"),
            ("GB", "+44 (0)20 7946 0958", "+442079460958"),
            ("GB", "01632 960 123", "+441632960123"),
            // Where something special is dialled.
            ("ES", "912 345 678", "+34912345678"),
            ("HU", "(06 1) 234 5678", "+3612345678"),
            ("RU", "8 (495) 123-45-67", "+74951234567"),
            ("RU", "812 123-45-67", "+78121234567"),
            ("RU", "8 10 49 30 123456", "+4930123456"),
            ("BY", "8 0152 45-09-11", "+375152450911"),
            ("BR", "(11) 2345-6789", "+551123456789"),
            ("BR", "011 2345-6789", "+551123456789"),
            ("PL", "+48 (0)22 123 45 67", "+48221234567"),
            ("JP", "03-1234-5678", "+81312345678"),
            ("JP", "010 49 30 123456", "+4930123456"),
            ("AU", "0011 49 30 123456", "+4930123456"),
            // RFC 3966, and the fax: of RFC 2806.
            ("", "tel:+49-30-123456", "+4930123456"),
            ("", "fax:+49.30.123456", "+4930123456"),
            ("", "FAX: +49 (0)30 123456", "+4930123456"),
            ("", "tel:%2B49%2030%20123456", "+4930123456"),
            ("US", "tel:030-123456;phone-context=+49", "+4930123456"),
            ("", "fax:(212)555-0100;phone-context=+1", "+12125550100"),
            ("DE", "fax:030123456", "+4930123456"),
        ] {
            assert_eq!(check(code, text), Ok(number.into()), "{code} {text:?}");
        }
    }

    #[test]
    fn what_is_no_number_or_could_be_another_is_refused() {
        use FaxNumberError::*;
        let of = |code| country(code).unwrap();
        let parameter = |name: &str| Parameter { name: name.into() };
        let context = |context: &str| Context { context: context.into() };
        for (code, text, error) in [
            ("DE", "", Empty),
            ("DE", " \u{a0} ", Empty),
            ("DE", "()", Length { digits: 0 }),
            ("DE", "+", Length { digits: 0 }),
            ("", "030 123456", NoCountry),
            ("", "(0)30 123456", NoCountry),
            ("DE", "123456", NoAreaCode { country: of("DE") }),
            ("DE", "49 30 123456", NoAreaCode { country: of("DE") }),
            ("HU", "1 234 5678", NoAreaCode { country: of("HU") }),
            ("ES", "091 234 5678", NoAreaCode { country: of("ES") }),
            ("US", "555-0100", NationalLength { country: of("US"), digits: 7, wanted: 10 }),
            ("US", "+1 212 555 01000", NationalLength { country: of("US"), digits: 11, wanted: 10 }),
            ("RU", "123-45-67", NationalLength { country: of("RU"), digits: 7, wanted: 10 }),
            ("US", "0049 30 123456", NoExit { country: of("US") }),
            ("SG", "001 1 212 555 0100", NoExit { country: of("SG") }),
            ("DE", "+49 030 123456", TrunkAfterCode { calling_code: 49 }),
            ("DE", "0049 030 123456", TrunkAfterCode { calling_code: 49 }),
            ("", "+0 123456", NoCallingCode),
            ("", "000 123456", NoCallingCode),
            ("", "+999 (0) 123456", NoCallingCode),
            ("", "+49 30 (0) 123456", Character { character: '(' }),
            ("DE", "030 (0) 123456", Character { character: '(' }),
            ("", "+43 1 5", Length { digits: 4 }),
            ("", "+49 30 1234567890123", Length { digits: 17 }),
            ("DE", "1-800-FLOWERS", Character { character: 'F' }),
            ("DE", "030 123456 ext. 7", Character { character: 'e' }),
            ("DE", "030 12+34", Character { character: '+' }),
            ("DE", "++49 30 123456", Character { character: '+' }),
            ("DE", "030 123456;ext=7", Character { character: ';' }),
            ("DE", "030 123456, 030 123457", Character { character: ',' }),
            ("DE", "*31# 030 123456", Character { character: '*' }),
            ("DE", "\u{202a}+4930123456\u{202c}", Character { character: '\u{202a}' }),
            ("DE", "٠٣٠١٢٣٤٥٦", Character { character: '٠' }),
            ("DE", "０３０１２３４５６", Character { character: '０' }),
            ("DE", "+49 30 1234\r\nRCPT TO:<x@y.z>", Character { character: '\r' }),
            ("DE", "030123456\0", Character { character: '\0' }),
            ("DE", "tel:+49%0D%0A30", Character { character: '\r' }),
            ("DE", "tel:+49%C3%A430", Character { character: '%' }),
            ("DE", "tel:+49%2", Character { character: '%' }),
            ("DE", "tel:+49-30-123456;ext=7", parameter("ext")),
            ("DE", "tel:+49-30-123456;isub=1;phone-context=+49", parameter("isub")),
            ("DE", "fax:+49-30-123456;tsub=123", parameter("tsub")),
            ("DE", "tel:+49-30-123456;", parameter("")),
            ("DE", "tel:7042;phone-context=example.com", context("example.com")),
            ("DE", "tel:863-1234;phone-context=+1-914-555", context("+1-914-555")),
            ("DE", "tel:863-1234;phone-context=+", context("+")),
            ("DE", "tel:", Length { digits: 0 }),
            ("DE", "mailto:a", Character { character: 'm' }),
        ] {
            assert_eq!(check(code, text), Err(error), "{code} {text:?}");
        }
        for text in ["0".repeat(100_000), "(0)".repeat(50_000), "%30".repeat(50_000), format!("tel:+49{}", ";a=b".repeat(50_000))] {
            assert_eq!(check("DE", &text), Err(TooLong), "{text:.20}");
        }
    }

    #[test]
    fn what_is_read_is_read_again_from_what_is_shown() {
        for text in ["+49 30 123456", "0039 06 6982", "tel:+1-212-555-0100"] {
            let number = FaxNumber::parse(text, None).unwrap();
            for again in [None, country("US"), country("IT"), country("SG")] {
                assert_eq!(FaxNumber::parse(&number.to_string(), again), Ok(number.clone()));
            }
        }
    }
}
