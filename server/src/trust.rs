//! What is trusted besides the system's authorities, and by what files it comes: [`import`] reads certificates. It is pure: bytes in,
//! data out.

mod ber;
pub mod import;
mod java;
mod pem;
mod pkcs12;
mod pkcs7;
