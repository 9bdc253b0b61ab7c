//! Stand-in until the address work lands.
use crate::field::HostError;
/// See the real one.
pub fn host_to_ascii(text: &str) -> Result<String, HostError> {
    let text = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    for label in text.split('.') {
        if label.is_empty() {
            return Err(HostError::EmptyLabel);
        }
        if let Some(character) = label.chars().find(|c| !(c.is_ascii_alphanumeric() || *c == '-')) {
            return Err(HostError::Character { character });
        }
    }
    Ok(text)
}
