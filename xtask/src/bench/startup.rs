//! From the start of the process to its first answer, and what it holds while it waits.

use std::thread::sleep;
use std::time::Duration;

use super::{Samples, mib, scratch};
use crate::postroom::Postroom;
use crate::project::{Outcome, Project};

const RUNS: usize = 20;

pub(super) fn run(project: &Project) -> Outcome {
    let data = scratch(project, "startup")?;
    let mut times = Vec::new();
    for _ in 0..=RUNS {
        let server = Postroom::start(project, &data)?;
        server.connect()?.get("/")?;
        times.push(server.started.elapsed());
    }
    // The first one makes the database.
    let first = times.remove(0);
    println!("start to first answer, new data directory   {:.1} ms", first.as_secs_f64() * 1000.0);
    println!("start to first answer                       {}", Samples::new(times));

    let server = Postroom::start(project, &data)?;
    server.connect()?.get("/")?;
    sleep(Duration::from_secs(2));
    println!("memory while idle                           {}", mib(server.memory()));
    Ok(())
}
