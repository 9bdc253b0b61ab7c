//! The languages in which recipients are spoken to.

use serde::{Deserialize, Serialize};

use crate::words::calendar;

/// A language that recipients read. Administrators read English.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Language {
    /// English.
    #[default]
    #[serde(rename = "en")]
    English,
    /// German.
    #[serde(rename = "de")]
    German,
    /// Italian.
    #[serde(rename = "it")]
    Italian,
}

/// What is said on the page of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageWords {
    /// What the page is.
    pub title: &'static str,
    /// Before the size.
    pub size: &'static str,
    /// Before the sender.
    pub sender: &'static str,
    /// Before the end.
    pub until: &'static str,
    /// The button.
    pub download: &'static str,
    /// What to do where the file isn't expected.
    pub advice: &'static str,
    /// The title of the page of no link.
    pub gone_title: &'static str,
    /// That there is no such link, or not any more; the same whatever it was.
    pub gone: &'static str,
}

impl Language {
    /// The choices as forms and JSON write them.
    pub const CHOICES: &'static [&'static str] = &["en", "de", "it"];
    /// All of them, in the same order.
    pub const ALL: [Self; 3] = [Self::English, Self::German, Self::Italian];

    /// Its tag (RFC 5646), as JSON, forms and pages write it.
    pub const fn key(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
            Self::Italian => "it",
        }
    }

    /// What a key names.
    pub fn parse(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.key() == key)
    }

    /// What is said on the page of a link.
    pub const fn page(self) -> PageWords {
        match self {
            Self::English => PageWords {
                title: "A file for you",
                size: "Size",
                sender: "From",
                until: "Available until",
                download: "Download",
                advice: "If you don't expect a file from this sender, don't download it.",
                gone_title: "Nothing to download",
                gone: "There is no file at this address, or not any more. Ask the sender for a new link.",
            },
            Self::German => PageWords {
                title: "Eine Datei für Sie",
                size: "Größe",
                sender: "Von",
                until: "Verfügbar bis",
                download: "Herunterladen",
                advice: "Wenn Sie von diesem Absender keine Datei erwarten, laden Sie sie nicht herunter.",
                gone_title: "Nichts herunterzuladen",
                gone: "Unter dieser Adresse gibt es keine Datei, oder keine mehr. Bitten Sie den Absender um einen neuen Link.",
            },
            Self::Italian => PageWords {
                title: "Un file per Lei",
                size: "Dimensione",
                sender: "Da",
                until: "Disponibile fino al",
                download: "Scarica",
                advice: "Se non aspetta un file da questo mittente, non lo scarichi.",
                gone_title: "Niente da scaricare",
                gone: "A questo indirizzo non c'è alcun file, o non c'è più. Chieda al mittente un nuovo link.",
            },
        }
    }

    /// A size as people read it, to a tenth: `512 bytes`, `1.4 MB`. Units as in [`crate::size`].
    pub fn size(self, bytes: u64) -> String {
        let (point, unit) = match self {
            Self::English => ('.', if bytes == 1 { "byte" } else { "bytes" }),
            Self::German => (',', if bytes == 1 { "Byte" } else { "Bytes" }),
            Self::Italian => (',', "byte"),
        };
        if bytes < 1024 {
            return format!("{bytes} {unit}");
        }
        let units = ["KB", "MB", "GB", "TB"];
        let tenths = |power: usize| {
            let unit = 1_u128 << (10 * (power + 1));
            (u128::from(bytes) * 10 + unit / 2) / unit
        };
        let power = (0..units.len()).find(|power| tenths(*power) < 10_240).unwrap_or(units.len() - 1);
        match (tenths(power) / 10, tenths(power) % 10) {
            (whole, 0) => format!("{whole} {}", units[power]),
            (whole, tenth) => format!("{whole}{point}{tenth} {}", units[power]),
        }
    }

    /// A minute, as it is written in a sentence: `26 November 2026, 14:05 UTC`. From milliseconds since 1970.
    pub fn minute(self, at_ms: u64) -> String {
        let at = calendar(at_ms);
        let months = match self {
            Self::English => [
                "January",
                "February",
                "March",
                "April",
                "May",
                "June",
                "July",
                "August",
                "September",
                "October",
                "November",
                "December",
            ],
            Self::German => [
                "Januar",
                "Februar",
                "März",
                "April",
                "Mai",
                "Juni",
                "Juli",
                "August",
                "September",
                "Oktober",
                "November",
                "Dezember",
            ],
            Self::Italian => [
                "gennaio",
                "febbraio",
                "marzo",
                "aprile",
                "maggio",
                "giugno",
                "luglio",
                "agosto",
                "settembre",
                "ottobre",
                "novembre",
                "dicembre",
            ],
        };
        let month = usize::try_from(at.month).ok().and_then(|month| months.get(month.wrapping_sub(1))).copied().unwrap_or_default();
        let (day, year, time) = (at.day, at.year, format!("{:02}:{:02}", at.hour, at.minute));
        match self {
            Self::English | Self::Italian => format!("{day} {month} {year}, {time} UTC"),
            Self::German => format!("{day}. {month} {year}, {time} Uhr (UTC)"),
        }
    }

    /// How long until something, roughly, and never too long: `in 3 days`. Both in milliseconds since 1970.
    pub fn until(self, now_ms: u64, at_ms: u64) -> String {
        let minutes = at_ms.saturating_sub(now_ms) / 60_000;
        let (count, unit) = match minutes {
            0 => {
                return match self {
                    Self::English => "in less than a minute".into(),
                    Self::German => "in weniger als einer Minute".into(),
                    Self::Italian => "tra meno di un minuto".into(),
                };
            }
            1..60 => (minutes, 0),
            60..2880 => (minutes / 60, 1),
            _ => (minutes / 1440, 2),
        };
        let units = match (self, count == 1) {
            (Self::English, true) => ["minute", "hour", "day"],
            (Self::English, false) => ["minutes", "hours", "days"],
            (Self::German, true) => ["Minute", "Stunde", "Tag"],
            (Self::German, false) => ["Minuten", "Stunden", "Tagen"],
            (Self::Italian, true) => ["minuto", "ora", "giorno"],
            (Self::Italian, false) => ["minuti", "ore", "giorni"],
        };
        let word = if self == Self::Italian { "tra" } else { "in" };
        format!("{word} {count} {}", units[unit])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short_and_in_the_words_of_the_language() {
        for (bytes, english, german, italian) in [
            (0, "0 bytes", "0 Bytes", "0 byte"),
            (1, "1 byte", "1 Byte", "1 byte"),
            (1023, "1023 bytes", "1023 Bytes", "1023 byte"),
            (1024, "1 KB", "1 KB", "1 KB"),
            (1536, "1.5 KB", "1,5 KB", "1,5 KB"),
            (1_048_575, "1 MB", "1 MB", "1 MB"),
            (1_468_006, "1.4 MB", "1,4 MB", "1,4 MB"),
            (5 << 30, "5 GB", "5 GB", "5 GB"),
            (u64::MAX, "16777216 TB", "16777216 TB", "16777216 TB"),
        ] {
            let sizes = Language::ALL.map(|language| language.size(bytes));
            assert_eq!(sizes, [english, german, italian], "{bytes}");
        }
    }

    #[test]
    fn times_are_said_whole_and_roughly() {
        let at = 1_795_442_700_000;
        let minutes = Language::ALL.map(|language| language.minute(at));
        assert_eq!(minutes, ["23 November 2026, 14:05 UTC", "23. November 2026, 14:05 Uhr (UTC)", "23 novembre 2026, 14:05 UTC"]);
        for (left_ms, english, german, italian) in [
            (0, "in less than a minute", "in weniger als einer Minute", "tra meno di un minuto"),
            (60_000, "in 1 minute", "in 1 Minute", "tra 1 minuto"),
            (3_600_000, "in 1 hour", "in 1 Stunde", "tra 1 ora"),
            (47 * 3_600_000, "in 47 hours", "in 47 Stunden", "tra 47 ore"),
            (30 * 86_400_000 - 1, "in 29 days", "in 29 Tagen", "tra 29 giorni"),
        ] {
            let times = Language::ALL.map(|language| language.until(at, at + left_ms));
            assert_eq!(times, [english, german, italian], "{left_ms}");
        }
        assert_eq!(Language::English.until(at, at - 1), "in less than a minute");
    }

    #[test]
    fn languages_have_the_tags_that_json_writes() {
        for language in Language::ALL {
            assert_eq!(Language::parse(language.key()), Some(language));
            assert_eq!(serde_json::to_value(language).unwrap(), language.key());
        }
        assert_eq!((Language::parse("fr"), Language::default()), (None, Language::English));
    }
}
