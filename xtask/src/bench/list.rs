//! The list with ten thousand entries.

use std::time::Instant;

use serde_json::json;

use super::{Samples, mib, scratch};
use crate::postroom::{Http, Postroom};
use crate::project::{Outcome, Project};

const ENTRIES: usize = 10_000;
const RUNS: usize = 100;

pub(super) fn run(project: &Project) -> Outcome {
    let data = scratch(project, "list")?;
    let server = Postroom::start(project, &data)?;
    let mut http = server.connect()?;
    let empty = http.get("/")?.len();

    let started = Instant::now();
    for number in 0..ENTRIES {
        let entry = json!({
            "name": format!("server-{number:05}"), "host": format!("mail{number}.example.com"), "port": 587,
            "starttls": "enabled_and_required", "username": format!("user{number}@example.com"),
            "password": { "value": "not a secret" }, "sender": format!("Scan {number} <scan{number}@example.com>"),
        });
        http.api("servers/create", &json!({ "server": entry }))?;
    }
    println!("{ENTRIES} entries through the API in {:.1} s", started.elapsed().as_secs_f64());
    println!("an empty list has {empty} bytes");
    for path in ["/", "/?page=200", "/?search=server-09999", "/?search=user4242@", "/?search=nothing-like-this"] {
        measure(&mut http, path)?;
    }
    println!("memory after that                           {}", mib(server.memory()));

    drop(http);
    drop(server);
    let server = Postroom::start(project, &data)?;
    server.connect()?.get("/")?;
    println!("start to first answer with {ENTRIES} entries     {:.1} ms", server.started.elapsed().as_secs_f64() * 1000.0);
    println!("memory after a start                        {}", mib(server.memory()));
    Ok(())
}

fn measure(http: &mut Http, path: &str) -> Outcome {
    let mut times = Vec::with_capacity(RUNS);
    let mut bytes = 0;
    for _ in 0..RUNS {
        let started = Instant::now();
        bytes = http.get(path)?.len();
        times.push(started.elapsed());
    }
    println!("GET {path:<39} {}, {bytes} bytes", Samples::new(times));
    Ok(())
}
