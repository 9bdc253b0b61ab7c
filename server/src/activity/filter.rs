//! Which lines are looked for.

use domain::activity::{ActivityQuery, Change, Deed, Line};
use domain::error::Problem;
use domain::words;
use time::{Date, Month};

use super::DAY_MS;

/// The most characters of what is searched for.
const MAX_SEARCH: usize = 200;

/// A query, read.
pub(super) struct Filter {
    needle: String,
    who: String,
    deed: Option<Deed>,
    /// From this millisecond on.
    from_ms: u64,
    /// Before this one.
    until_ms: u64,
}

impl Filter {
    /// # Errors
    /// [`Problem::Malformed`] for a day that is none.
    pub(super) fn of(query: &ActivityQuery) -> Result<Self, Problem> {
        let ActivityQuery { search, who, deed, from, to, before: _ } = query;
        let needle: String = search.trim().chars().take(MAX_SEARCH).collect();
        Ok(Self {
            needle: needle.to_lowercase(),
            who: who.trim().to_lowercase(),
            deed: *deed,
            from_ms: day(from)?.unwrap_or(0),
            until_ms: day(to)?.map_or(u64::MAX, |day| day + DAY_MS),
        })
    }

    pub(super) fn finds(&self, line: &Line) -> bool {
        self.deed.is_none_or(|deed| deed == line.what.deed)
            && (self.from_ms..self.until_ms).contains(&line.at_ms)
            && (self.who.is_empty() || line.what.who.name().to_lowercase() == self.who)
            && (self.needle.is_empty() || self.is_in(line))
    }

    fn is_in(&self, line: &Line) -> bool {
        let has = |text: &str| text.to_lowercase().contains(&self.needle);
        let what = &line.what;
        let changed = |Change { field, old, new, .. }: &Change| {
            has(field) || has(words::key_label(field)) || [old, new].into_iter().flatten().any(|value| has(value))
        };
        has(what.who.name())
            || has(&what.address)
            || has(words::deed(what.deed))
            || has(&what.detail)
            || what.subjects.iter().any(|subject| has(&subject.name))
            || what.changes.iter().any(changed)
    }
}

/// The beginning of a day (UTC); nothing where nothing was given.
///
/// # Errors
/// [`Problem::Malformed`] for what is no day.
pub(crate) fn day(text: &str) -> Result<Option<u64>, Problem> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let wrong = || Problem::Malformed { detail: format!("“{}” isn't a day; write it as 2026-11-26", words::quote(text)) };
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, day] = parts[..] else { return Err(wrong()) };
    let is_plain = parts.iter().all(|part| (1..=4).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit()));
    let date = (|| {
        let month = Month::try_from(month.parse::<u8>().ok()?).ok()?;
        Date::from_calendar_date(year.parse().ok()?, month, day.parse().ok()?).ok()
    })();
    let since = date.filter(|_| is_plain).ok_or_else(wrong)?.midnight().assume_utc().unix_timestamp();
    Ok(Some(u64::try_from(since).unwrap_or(0) * 1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_a_day_of_the_calendar() {
        assert_eq!(day(" ").unwrap(), None);
        assert_eq!(day("1970-01-02").unwrap(), Some(DAY_MS));
        assert_eq!(day("2024-02-29").unwrap(), Some(1_709_164_800_000));
        for wrong in ["2023-02-29", "2026-13-01", "26.11.2026", "2026-11", "2026-11-26T00:00", "+2026-1-1", "yesterday"] {
            assert!(matches!(day(wrong), Err(Problem::Malformed { .. })), "{wrong}");
        }
    }
}
