//! `cargo xtask build`: the web app for the browser, then the server with the web app in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use wasm_bindgen_cli_support::Bindgen;

use crate::assets::{self, Asset, hash};
use crate::project::{Doing, Failure, Outcome, Project, run};
use crate::setup;

/// What `rustc` compiles for anyway, and every browser of the last years has; nothing newer may get in.
const WASM_FEATURES: [&str; 6] = [
    "--enable-bulk-memory",
    "--enable-multivalue",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-reference-types",
    "--enable-sign-ext",
];

/// Builds `target/release/postroom`. Steps whose inputs are as they were are skipped.
pub(crate) fn build(project: &Project) -> Outcome {
    let started = Instant::now();
    setup::wasm_target(project)?;
    if setup::has_node() {
        setup::npm_packages(project)?;
    }
    let site = project.site();
    fs::create_dir_all(&site).doing(|| format!("create {}", site.display()))?;

    println!("Building the web app …");
    run(project.cargo("build").args(["--profile", "wasm", "--target", setup::WASM, "-p", "frontend"]))?;
    let mut assets = frontend(project)?;
    for (logical, bytes) in assets::style(&project.root.join("style"))? {
        assets.push(assets::put(&site, &logical, &bytes)?);
    }
    assets::finish(&site, &assets)?;

    println!("Building the server …");
    run(project.cargo("build").args(["--release", "-p", "server"]).env("POSTROOM_ASSETS", &site))?;
    println!("Built {} in {:.1} s.", project.binary().display(), started.elapsed().as_secs_f64());
    Ok(())
}

/// The script and the WebAssembly module.
fn frontend(project: &Project) -> Outcome<Vec<Asset>> {
    let compiled = project.target.join(setup::WASM).join("wasm").join("frontend.wasm");
    let wasm_opt = WasmOpt::find(project);
    let work = project.target.join("site-work");
    let js = work.join("app.js");
    let wasm = work.join("app_bg.wasm");

    // Everything the result depends on; as long as it is the same, so is the result. The version of wasm-bindgen is
    // written in the module.
    let recipe =
        format!("{}\nwasm-opt {}\n", hash(&read(&compiled)?), wasm_opt.as_ref().map_or("none", |tool| tool.version.as_str()));
    let stamp = work.join("recipe");
    if fs::read_to_string(&stamp).ok().as_ref() != Some(&recipe) {
        let _ = fs::remove_dir_all(&work);
        bindgen(&compiled, &work)?;
        match &wasm_opt {
            Some(tool) => tool.shrink(project, &wasm)?,
            None => {
                println!("Going on without wasm-opt (npm package binaryen, in end2end): the web app will be about twice as large.");
            }
        }
        fs::write(&stamp, recipe).doing(|| format!("write {}", stamp.display()))?;
    }
    let site = project.site();
    Ok(vec![assets::put(&site, "app.js", &read(&js)?)?, assets::put(&site, "app_bg.wasm", &read(&wasm)?)?])
}

fn bindgen(compiled: &Path, out: &Path) -> Outcome {
    let doing = || "make the script with wasm-bindgen".into();
    let mut bindgen = Bindgen::new();
    bindgen.input_path(compiled).out_name("app").typescript(false).web(true).doing(doing)?;
    // The page says which module belongs to the script: its name carries a hash.
    bindgen.omit_default_module_path(true).remove_name_section(true).remove_producers_section(true);
    let mut output = bindgen.generate_output().doing(doing)?;
    output.emit(out).doing(doing)?;
    match output.snippets().values().map(Vec::len).sum::<usize>() + output.local_modules().len() {
        0 => Ok(()),
        snippets => Err(Failure::new(format!(
            "the web app brings {snippets} JavaScript snippets of its own (see {}); they are not embedded. Do it in Rust.",
            out.join("snippets").display()
        ))),
    }
}

/// The optimiser of the npm package binaryen.
struct WasmOpt {
    path: PathBuf,
    version: String,
}

impl WasmOpt {
    fn find(project: &Project) -> Option<Self> {
        let package = project.end2end().join("node_modules").join("binaryen");
        let path = package.join("bin").join("wasm-opt");
        let version = hash(&fs::read(package.join("package.json")).ok()?);
        (path.is_file() && setup::has_node()).then(|| Self { path, version: format!("{version} {WASM_FEATURES:?}") })
    }

    fn shrink(&self, project: &Project, wasm: &Path) -> Outcome {
        println!("Shrinking the web app …");
        let small = wasm.with_extension("small");
        run(project.node().arg(&self.path).arg(wasm).arg("-o").arg(&small).arg("-Oz").args(WASM_FEATURES))?;
        fs::rename(&small, wasm).doing(|| format!("replace {}", wasm.display()))
    }
}

fn read(path: &Path) -> Outcome<Vec<u8>> {
    fs::read(path).doing(|| format!("read {}", path.display()))
}
