//! Forms with a file (`multipart/form-data`, RFC 7578), read whole and within bounds. What they bring may be a key or a
//! password: it is wiped after use.

use axum::extract::Multipart;
use axum::extract::multipart::MultipartRejection;
use domain::error::{ApiError, Problem};
use domain::secret::Secret;
use domain::words;
use zeroize::Zeroizing;

/// The most parts of a form; ours have four.
const MAX_PARTS: usize = 8;

/// What a form brought, by name.
pub(super) struct Upload(Vec<(&'static str, Zeroizing<Vec<u8>>)>);

impl Upload {
    /// Reads a form whose parts have these names, each at most once.
    ///
    /// # Errors
    /// [`Problem::Malformed`] where it is none, or has another part. Nothing of what it holds is quoted.
    pub(super) async fn read(form: Result<Multipart, MultipartRejection>, names: &[&'static str]) -> Result<Self, Problem> {
        let malformed = |detail: &str| Problem::Malformed { detail: detail.into() };
        let torn = || malformed("the parts of the form can't be told apart");
        let mut form = form.map_err(|_| malformed("a form with a file, multipart/form-data, was expected"))?;
        let mut parts: Vec<(&'static str, Zeroizing<Vec<u8>>)> = Vec::new();
        while let Some(part) = form.next_field().await.map_err(|_| torn())? {
            if parts.len() == MAX_PARTS {
                return Err(malformed("the form has too many parts"));
            }
            let name = names.iter().copied().find(|name| part.name() == Some(*name));
            let name = name.ok_or_else(|| malformed("the form has a part of another name than expected"))?;
            if parts.iter().any(|(known, _)| *known == name) {
                return Err(malformed("the form has a part twice"));
            }
            let bytes = part.bytes().await.map_err(|_| torn())?;
            parts.push((name, Zeroizing::new(bytes.to_vec())));
        }
        Ok(Self(parts))
    }

    fn bytes(&self, name: &str) -> &[u8] {
        self.0.iter().find(|(known, _)| *known == name).map_or(&[], |(_, bytes)| bytes)
    }

    /// A number; none where there is no such.
    pub(super) fn number(&self, name: &str) -> Option<u64> {
        std::str::from_utf8(self.bytes(name)).ok()?.parse().ok()
    }

    /// A secret; one that isn't UTF-8 is as good as a wrong one.
    pub(super) fn secret(&self, name: &str) -> Secret {
        Secret::new(String::from_utf8_lossy(self.bytes(name)).into_owned())
    }

    /// The part `file`, or what was pasted as `pem` instead.
    ///
    /// # Errors
    /// What to say at the field where it is neither or both.
    pub(super) fn file(&self) -> Result<Vec<u8>, ApiError> {
        self.file_or("pem", words::NO_FILE, words::FILE_AND_PASTE)
    }

    /// The part `file`, or what was pasted as `other` instead.
    ///
    /// # Errors
    /// `neither` or `both`, at the field.
    pub(super) fn file_or(&self, other: &str, neither: &str, both: &str) -> Result<Vec<u8>, ApiError> {
        let (file, pasted) = (self.bytes("file"), self.bytes(other).trim_ascii());
        match (file.is_empty(), pasted.is_empty()) {
            (false, true) => Ok(file.to_vec()),
            (true, false) => Ok(pasted.to_vec()),
            (true, true) => Err(at_field("file", neither)),
            (false, false) => Err(at_field("file", both)),
        }
    }
}

/// An error that stands at a field of a form with a file.
fn at_field(field: &str, sentence: &str) -> ApiError {
    let mut error = ApiError { message: sentence.into(), ..ApiError::new(domain::error::ErrorKind::Invalid) };
    error.fields.insert(field.into(), sentence.into());
    error
}
