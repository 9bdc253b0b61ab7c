//! A save through the API, and beside it what the disk asks for a write that is really there: one `write` and one `fsync`.

use std::fs::File;
use std::io::Write;
use std::time::Instant;

use serde_json::json;

use super::{Samples, ms, scratch};
use crate::postroom::Postroom;
use crate::project::{Doing, Outcome, Project};

const RUNS: usize = 300;
/// Saves that are not counted.
const WARM_UP: usize = 20;

pub(super) fn run(project: &Project) -> Outcome {
    let data = scratch(project, "save")?;
    let server = Postroom::start(project, &data)?;
    let mut http = server.connect()?;
    let created = http.api("servers/create", &json!({ "server": { "name": "mail", "host": "mail.example.com" } }))?;
    let mut version = created["version"].clone();

    let path = data.join("raw");
    let doing = || format!("write {}", path.display());
    let mut file = File::create(&path).doing(doing)?;
    let block = [b'x'; 4096];
    let (mut saves, mut syncs) = (Vec::new(), Vec::new());
    // In turns, so that whatever else the disk is doing disturbs both alike.
    for run in 0..RUNS + WARM_UP {
        let edit = json!({ "id": created["id"], "version": version, "server": { "timeout_ms": 1000 + run } });
        let started = Instant::now();
        let answer = http.api("servers/save", &edit)?;
        let save = started.elapsed();
        version = answer["version"].clone();

        let started = Instant::now();
        file.write_all(&block).doing(doing)?;
        file.sync_all().doing(doing)?;
        let sync = started.elapsed();
        if run >= WARM_UP {
            saves.push(save);
            syncs.push(sync);
        }
    }
    let (saves, syncs) = (Samples::new(saves), Samples::new(syncs));
    println!("a save through the API                      {saves}");
    println!("4 KiB written and synced to the same disk   {syncs}");
    let factor = saves.median().as_secs_f64() / syncs.median().as_secs_f64();
    println!("a save costs {factor:.1} times that ({} ms more)", ms(saves.median().saturating_sub(syncs.median())));
    Ok(())
}
