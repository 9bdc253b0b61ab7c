//! The sentences about fax numbers and gateways.

use std::fmt;

use super::{DIGITS, FaxError, FaxNumberError, MAX_PREFIX, MAX_TYPED};
use crate::words::named;

impl FaxError {
    /// What is wrong and what to do, for people.
    pub fn sentence(&self) -> String {
        self.to_string()
    }
}

/// The [sentence](FaxError::sentence).
impl fmt::Display for FaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(error) => error.fmt(f),
            Self::Address(error) => write!(f, "{error}."),
            Self::NoDomain => {
                f.write_str("It isn't known at which domain. Enter the fax domain, or an address with @ and a domain.")
            }
            Self::UnknownCountry { text } => {
                write!(f, "“{text}” isn't the code of a country. Use two letters, such as DE, AT, CH, IT, FR, GB or US.")
            }
            Self::PrefixCharacter { character } => {
                write!(
                    f,
                    "{} can't be dialled before a number. Use digits, * and #, p for a pause or w to wait for the tone.",
                    named(*character)
                )
            }
            Self::PrefixTooLong { length } => write!(f, "{length} characters are too many. Use at most {MAX_PREFIX}."),
            Self::NoPlaceholder => f.write_str(
                "Every fax would go to the same address. Put {number} where the digits belong, or {e164} to have the + as well.",
            ),
            Self::UnknownPlaceholder { text } => {
                write!(f, "“{text}” means nothing here. Use {{number}} for the digits, or {{e164}} to have the + as well.")
            }
        }
    }
}

impl FaxNumberError {
    /// What is wrong and what to do, for people.
    pub fn sentence(&self) -> String {
        self.to_string()
    }
}

impl std::error::Error for FaxNumberError {}

/// The [sentence](FaxNumberError::sentence).
impl fmt::Display for FaxNumberError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("Enter the fax number, such as +49 30 123456."),
            Self::TooLong => write!(f, "More than {MAX_TYPED} characters are no fax number. Enter a single one, such as +49 30 123456."),
            Self::Character { character } => {
                write!(f, "{} can't stand here in a fax number. Use + and digits, such as +49 30 123456.", named(*character))
            }
            Self::Length { digits } if *digits < DIGITS.0 => {
                write!(f, "{} too few for a fax number. It has at least {}, with the country's code.", counted(*digits), DIGITS.0)
            }
            Self::Length { digits } => {
                write!(f, "{} too many for a fax number. It has at most {}, with the country's code.", counted(*digits), DIGITS.1)
            }
            Self::NationalLength { country, digits, wanted } => {
                write!(f, "A number with +{} has {wanted} digits after it, not {digits}. Enter all of them, with the area code.", country.calling_code())
            }
            Self::NoCountry => f.write_str("Begin with + and the country's code, such as +49 30 123456; or enter the server's country, to take national numbers."),
            Self::NoAreaCode { country } => {
                write!(f, "This isn't how a number is dialled within {country}. Begin with the area code, or with +{}.", country.calling_code())
            }
            Self::NoExit { country } => {
                write!(f, "It can't be told what 00 means in {country}. Begin an international number with +, such as +49 30 123456.")
            }
            Self::NoCallingCode => f.write_str("No country's code begins like this. After the + comes one, such as +49 for Germany."),
            Self::TrunkAfterCode { calling_code } => {
                write!(f, "After +{calling_code} the 0 isn't dialled. Leave it out.")
            }
            Self::Parameter { name } => {
                write!(f, "The link names more than a number (“{name}”), which a fax has no use for. Leave that out.")
            }
            Self::Context { context } => {
                write!(f, "The number is known to “{context}” only. Enter it with + and the country's code, such as +49 30 123456.")
            }
        }
    }
}

fn counted(digits: usize) -> String {
    match digits {
        0 => "No digits are".into(),
        1 => "One digit is".into(),
        digits => format!("{digits} digits are"),
    }
}
