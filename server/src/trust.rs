//! What is trusted besides the system's authorities, and by what files it comes: [`import`] reads certificates,
//! [`client_certificate`] a certificate of ours with its key. Both are pure: bytes in, data out.

mod ber;
pub mod client_certificate;
pub mod import;
mod java;
mod pem;
mod pkcs12;
mod pkcs7;
