//! C programs for the guest. Each is one source file, linked with the runtime of `user/c`, and
//! compiled only if something changed.

mod compiler;
mod dialect;
mod header;
mod stamp;

pub(crate) use compiler::Compiler;
pub(crate) use dialect::Dialect;

use crate::toolchain::Toolchain;
use anyhow::{Context, Result, bail};
use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    process::Command,
};

/// Whether a file is C source, by its name.
pub(crate) fn is_source(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "c")
}

/// Compiles a program, in the dialect given or decided by its `#include` lines; returns the ELF
/// file, with symbols.
///
/// # Errors
/// No compiler is found or installable, or compilation fails; the compiler reports on standard
/// error.
pub(crate) fn program(
    toolchain: &Toolchain,
    source: &Path,
    dialect: Option<Dialect>,
) -> Result<PathBuf> {
    let compiler = Compiler::find_or_install(toolchain)?;
    let source = fs::canonicalize(source).with_context(|| source.display().to_string())?;
    let text = fs::read(&source).with_context(|| source.display().to_string())?;
    let text = String::from_utf8_lossy(&text);
    let dialect = dialect.unwrap_or_else(|| Dialect::of(&text));
    let place = Place::new(toolchain);
    let runtime = place.runtime(&compiler, dialect)?;

    let name = source.file_stem().context("a source file without a name")?;
    let mut hasher = DefaultHasher::new();
    (&source, dialect).hash(&mut hasher);
    let dir = place.built.join(format!("{:016x}", hasher.finish()));
    let script = place.sources.join("program.ld");
    let out = dir.join(name);
    let mut command = place.command(&compiler, dialect);
    command.args(compiler.for_courses());
    command.arg(&source).args(&runtime);
    command.args(compiler.for_linking()).arg("-T").arg(&script);
    // GNU ld ignores this if the linker script lists segments.
    command.arg(format!("-Wl,-z,stack-size={}", dialect.stack()));
    if dialect::main_is_void(&text) {
        command.arg("-Wl,--defsym=__main_is_void=1");
    }
    command.args(compiler.libraries());
    let mut also = runtime;
    also.push(script);
    make(command, &out, &also, |program| {
        let mut file = fs::read(program)?;
        crate::program::set_stack_size(&mut file, dialect.stack())?;
        Ok(fs::write(program, file)?)
    })?;
    Ok(out)
}

/// The programs of `user/c/programs`, which are on every image: names and ELF files. Without a
/// compiler there are none, and a message says so.
pub(crate) fn standard_programs(toolchain: &Toolchain) -> Result<Vec<(String, PathBuf)>> {
    let dir = toolchain.root.join("user/c/programs");
    let mut sources = Vec::new();
    for entry in fs::read_dir(&dir).with_context(|| dir.display().to_string())? {
        let path = entry?.path();
        if is_source(&path) {
            sources.push(path);
        }
    }
    sources.sort();
    if !sources.is_empty() && Compiler::find().is_none() {
        eprintln!(
            "xtask: no C compiler for the guest: the programs of user/c/programs are left out; \
             `scripts/setup c` installs one"
        );
        return Ok(Vec::new());
    }
    let build = |source: PathBuf| {
        let name = source.file_stem().and_then(|stem| stem.to_str());
        let name = name.context("odd file name")?.to_owned();
        Ok((name, program(toolchain, &source, None)?))
    };
    sources.into_iter().map(build).collect()
}

/// Source and build directories.
struct Place {
    /// `user/c`.
    sources: PathBuf,
    /// The build directory.
    built: PathBuf,
}

impl Place {
    fn new(toolchain: &Toolchain) -> Place {
        Place {
            sources: toolchain.root.join("user/c"),
            built: toolchain.target_dir().join("pagoda/c"),
        }
    }

    /// The compiler with the options for every file.
    fn command(&self, compiler: &Compiler, dialect: Dialect) -> Command {
        let mut command = compiler.command();
        let include = self.sources.join("include");
        command.arg("-I").arg(include.join(dialect.name()));
        command.arg("-I").arg(include.join("core"));
        command.arg("-I").arg(self.built.join("include"));
        if dialect == Dialect::Classic {
            command.arg("-D__CLASSIC");
        }
        command
    }

    /// The runtime's objects, compiled if out of date.
    fn runtime(&self, compiler: &Compiler, dialect: Dialect) -> Result<Vec<PathBuf>> {
        header::write(&self.built.join("include/pagoda"))?;
        let parts = ["start.S", "start.c", "stubs.S", "string.c", "print.c"];
        let parts = parts.into_iter().chain(["malloc.c", "files.c", "errno.c"]);
        let own = format!("{}.c", dialect.name());
        let compile = |part: &str| {
            let source = self.sources.join("lib").join(part);
            let object = self.built.join(dialect.name()).join(format!("{part}.o"));
            let mut command = self.command(compiler, dialect);
            command.args(["-Wall", "-Wextra", "-c"]).arg(&source);
            make(command, &object, &[], |_| Ok(()))?;
            Ok(object)
        };
        parts.chain([own.as_str()]).map(compile).collect()
    }
}

/// Runs the compiler and `finish`, unless `out` is up to date. `also` has dependencies that the
/// compiler does not report.
fn make(
    mut command: Command,
    out: &Path,
    also: &[PathBuf],
    finish: impl FnOnce(&Path) -> Result<()>,
) -> Result<()> {
    let told = format!("{command:?}");
    if stamp::holds(out, &told) {
        return Ok(());
    }
    let dir = out.parent().context("no directory")?;
    fs::create_dir_all(dir)?;
    // Built under a unique name and renamed, for concurrent builds.
    let mine = |extension: &str| out.with_extension(format!("{}{extension}", std::process::id()));
    let (new, depends) = (mine("new"), mine("d"));
    command.args(["-MD", "-MF"]).arg(&depends);
    let status = command.arg("-o").arg(&new).status();
    let status = status.with_context(|| told.clone())?;
    if !status.success() {
        let _ = (fs::remove_file(&new), fs::remove_file(&depends));
        bail!("{} was not compiled", out.display());
    }
    let mut files = stamp::dependencies(&fs::read_to_string(&depends)?);
    files.extend_from_slice(also);
    fs::remove_file(&depends)?;
    finish(&new)?;
    fs::rename(&new, out)?;
    stamp::write(out, &told, &files)
}
