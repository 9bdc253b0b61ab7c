//! The document of a test fax: gateways take PDF and TIFF, and the smaller it is, the sooner the page is through.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::size::BYTES_A_LINE;

/// The name of the document.
pub(super) const NAME: &str = "postroom-test-fax.pdf";

/// What is drawn: one line of text near the top of the page.
const DRAWING: &str = "BT /F1 24 Tf 72 740 Td (Postroom test fax) Tj ET";

/// A page of A4 in PDF 1.4 (ISO 32000-1 section 7.5) that says what it is, in a font that every reader has.
pub(super) fn pdf() -> Vec<u8> {
    let drawing = format!("<< /Length {} >>\nstream\n{DRAWING}\nendstream", DRAWING.len());
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /Font << /F1 5 0 R >> >> /Contents 4 0 R >>",
        &drawing,
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ];
    let mut pdf = b"%PDF-1.4\n".to_vec();
    // Each entry of the table has 20 bytes; the first one is the head of the free list.
    let mut table = vec!["0000000000 65535 f \n".to_owned()];
    for (at, object) in objects.iter().enumerate() {
        table.push(format!("{:010} 00000 n \n", pdf.len()));
        pdf.extend(format!("{} 0 obj\n{object}\nendobj\n", at + 1).into_bytes());
    }
    let (size, start, table) = (table.len(), pdf.len(), table.concat());
    let end = format!("xref\n0 {size}\n{table}trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n");
    pdf.extend(end.into_bytes());
    pdf
}

/// Bytes in base64, each line with its end (RFC 2045 section 6.8).
pub(super) fn encoded(bytes: &[u8]) -> Vec<u8> {
    let line = usize::try_from(BYTES_A_LINE).unwrap_or(usize::MAX);
    bytes.chunks(line).flat_map(|line| format!("{}\r\n", STANDARD.encode(line)).into_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use domain::fax::{FaxDocument, fax_document};
    use domain::size::encoded_size;

    use super::*;

    #[test]
    fn it_is_a_small_document_whose_table_leads_to_its_objects() {
        let bytes = pdf();
        assert_eq!(fax_document(&bytes), Some(FaxDocument::Pdf));
        assert!(bytes.len() < 1000, "{}", bytes.len());
        let text = String::from_utf8(bytes).unwrap();
        let start: usize = text.rsplit("startxref\n").next().unwrap().lines().next().unwrap().parse().unwrap();
        assert!(text[start..].starts_with("xref\n0 6\n"));
        let offsets: Vec<&str> = text[start..].lines().skip(2).take(6).collect();
        assert!(offsets.iter().all(|line| line.len() == 19), "with its line end 20 bytes: {offsets:?}");
        for (number, line) in offsets.iter().enumerate().skip(1) {
            let offset: usize = line[..10].parse().unwrap();
            assert!(text[offset..].starts_with(&format!("{number} 0 obj\n")), "{line}");
        }
        let stream = text.split("stream\n").nth(1).unwrap().strip_suffix("\nend").unwrap();
        assert!(text.contains(&format!("/Length {} ", stream.len())) && stream.contains("(Postroom test fax)"));
    }

    #[test]
    fn it_is_encoded_in_lines_and_as_big_as_was_told() {
        let encoded = encoded(&pdf());
        assert_eq!(encoded.len() as u64, encoded_size(pdf().len() as u64));
        let text = String::from_utf8(encoded).unwrap();
        assert!(text.lines().all(|line| line.len() <= 76));
        assert_eq!(STANDARD.decode(text.replace("\r\n", "")).unwrap(), pdf());
    }
}
