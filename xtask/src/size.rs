//! `cargo xtask size`: what a browser loads for the list, against the floor of a hydrated Leptos page.

use crate::assets::{self, Asset, brotli, gzip};
use crate::build;
use crate::postroom::Postroom;
use crate::project::{Doing, Failure, Outcome, Project};

/// What a Leptos page with router, form, list and two server functions costs at least, in bytes with brotli: the module and
/// its script, measured with the versions in Cargo.lock.
const FLOOR: usize = 173_000 + 6_000;
/// How many times the floor the program may cost, in percent. It is over that since pages watch tests live.
const AIM_PERCENT: usize = 135;

/// Builds, measures and fails where the aim is missed.
pub(crate) fn size(project: &Project) -> Outcome {
    build::build(project)?;
    let mut files = vec![page(project)?];
    files.extend(assets::listed(&project.site())?);

    println!("\n{:<28} {:>10} {:>10} {:>10}", "bytes", "raw", "gzip", "brotli");
    let mut total = [0; 3];
    for file in &files {
        let sizes = [file.raw, file.gz.unwrap_or(file.raw), file.br.unwrap_or(file.raw)];
        println!("{:<28} {:>10} {:>10} {:>10}", file.logical, sizes[0], sizes[1], sizes[2]);
        for (total, size) in total.iter_mut().zip(sizes) {
            *total += size;
        }
    }
    println!("{:<28} {:>10} {:>10} {:>10}", "the list page in all", total[0], total[1], total[2]);

    let program: usize = files.iter().filter(|file| file.logical.starts_with("app")).map(|file| file.br.unwrap_or(file.raw)).sum();
    let percent = program * 100 / FLOOR;
    println!("\nThe program (module and script) has {program} bytes with brotli: {percent} % of the floor of {FLOOR}.");
    if percent > AIM_PERCENT {
        return Err(Failure::new(format!("the program is larger than {AIM_PERCENT} % of the floor.")));
    }
    Ok(())
}

/// The empty list as the server renders it. It is sent as it is; compressed, it would have the other sizes.
fn page(project: &Project) -> Outcome<Asset> {
    let data = crate::bench::scratch(project, "size")?;
    let server = Postroom::start(project, &data)?;
    let html = server.connect()?.get("/")?;
    let doing = || "compress the page".to_owned();
    let (gz, br) = (gzip(&html).doing(doing)?.len(), brotli(&html).doing(doing)?.len());
    Ok(Asset { logical: "/ (empty)".into(), name: String::new(), raw: html.len(), br: Some(br), gz: Some(gz) })
}
