//! Options: flags, or the environment variables that `make` exports.

use crate::{c::Dialect, volume::Format};
use anyhow::{Context, Result, bail, ensure};
use lexopt::prelude::*;
use rustix::process::Pid;
use std::{ffi::OsString, path::PathBuf, time::Duration};

/// How guest code is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    Release,
    /// Release with assertions, overflow and lock-rank checks.
    Checked,
}

impl Profile {
    /// Cargo's name, and that of the output directory.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Profile::Release => "release",
            Profile::Checked => "checked",
        }
    }

    pub(crate) fn from_name(name: &str) -> Result<Profile> {
        match name {
            "release" => Ok(Profile::Release),
            "checked" => Ok(Profile::Checked),
            other => bail!("profile {other:?}: expected release or checked"),
        }
    }
}

/// The virtual machine's parameters.
#[derive(Clone, Debug)]
pub(crate) struct Hardware {
    pub(crate) cpus: u32,
    /// In QEMU's format, `128M`.
    pub(crate) mem: String,
    /// Count instructions: each is one nanosecond of the guest's clock.
    pub(crate) icount: bool,
    pub(crate) extra: Vec<String>,
    /// The kernel's boot arguments.
    pub(crate) boot: String,
}

/// The validated command line and environment.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) verb: String,
    /// The arguments after the command.
    pub(crate) rest: Vec<String>,
    pub(crate) hardware: Hardware,
    pub(crate) profile: Profile,
    /// Additional features of the kernel.
    pub(crate) features: Vec<String>,
    pub(crate) cmd: Option<String>,
    pub(crate) add: Vec<PathBuf>,
    pub(crate) keep: Option<PathBuf>,
    pub(crate) timeout: Duration,
    pub(crate) gdb_port: u16,
    /// Concurrent guests of `test`; `None` lets it choose.
    pub(crate) jobs: Option<usize>,
    /// `test` and others: only list.
    pub(crate) list: bool,
    /// Of images that are made.
    pub(crate) format: Format,
    /// `image`: only these of the programs.
    pub(crate) programs: Option<Vec<String>>,
    /// `cc`: overrides the dialect of the includes.
    pub(crate) dialect: Option<Dialect>,
    /// `boot`: discard writes to the image.
    pub(crate) scratch: bool,
    /// `boot`: for gdb.
    pub(crate) wait: bool,
    /// `grade`: which lab.
    pub(crate) lab: Option<String>,
    /// `grade`: a file for the results.
    pub(crate) out: Option<PathBuf>,
    /// `grade`: the tree's name in the results, instead of its path.
    pub(crate) tree: Option<String>,
    /// `grade`: time limit until the first program.
    pub(crate) boot_timeout: Duration,
    /// The ancestors of scripts/xtask when it was called, parent first.
    pub(crate) above: Option<Vec<Pid>>,
}

/// An environment variable; empty counts as unset, since `make` exports all.
fn env(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// The least memory with which Pagoda runs `ls | wc`; with less, QEMU has no room for the device
/// tree.
const LEAST_MEMORY: f64 = 5.0 * MIB;
const MIB: f64 = (1 << 20) as f64;

/// Checks a memory size in QEMU's format: MiB, or with a unit.
fn memory(text: &str) -> Result<()> {
    let wrong = || format!("MEM={text}: expected a size like 128M or 1G");
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text[digits.len()..].to_ascii_uppercase().as_str() {
        "B" => 1.0,
        "K" => MIB / 1024.0,
        "" | "M" => MIB,
        "G" => MIB * 1024.0,
        "T" => MIB * 1024.0 * 1024.0,
        _ => bail!(wrong()),
    };
    let plain = digits.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let count: f64 = digits.parse().ok().filter(|_| plain).with_context(wrong)?;
    ensure!(
        count * unit >= LEAST_MEMORY,
        "MEM={text}: Pagoda needs at least {}M",
        LEAST_MEMORY / MIB
    );
    Ok(())
}

fn port(text: &str) -> Result<u16> {
    let port = text.parse().ok().filter(|&port: &u16| port > 0);
    port.with_context(|| format!("GDBPORT={text}: expected a port from 1 to 65535"))
}

fn switch(what: &str, text: &str) -> Result<bool> {
    match text {
        "0" => Ok(false),
        "1" => Ok(true),
        _ => bail!("{what}={text}: expected 1 or 0"),
    }
}

fn number<T: std::str::FromStr>(what: &str, text: &str) -> Result<T> {
    text.parse()
        .ok()
        .with_context(|| format!("{what}={text}: expected a whole number"))
}

/// Processes by ID, up to the first invalid one.
fn processes(numbers: &[String]) -> Result<Vec<Pid>> {
    let number = |text: &String| number("--above", text).map(Pid::from_raw);
    let numbers: Result<Vec<Option<Pid>>> = numbers.iter().map(number).collect();
    Ok(numbers?.into_iter().map_while(|pid| pid).collect())
}

impl Options {
    /// Reads the environment, then the command line, which overrides it.
    pub(crate) fn parse() -> Result<Options> {
        Options::parse_from(lexopt::Parser::from_env(), env)
    }

    fn parse_from(
        mut parser: lexopt::Parser,
        env: impl Fn(&str) -> Option<String>,
    ) -> Result<Options> {
        let mut set = Settings::from_env(env);
        let mut verb = String::new();
        let mut rest = Vec::new();
        let (mut list, mut scratch, mut wait) = (false, false, false);
        while let Some(argument) = parser.next()? {
            let slot = match argument {
                Value(value) if verb.is_empty() => {
                    verb = string(value)?;
                    continue;
                }
                Value(value) => {
                    rest.push(string(value)?);
                    continue;
                }
                Long("list") => {
                    list = true;
                    continue;
                }
                Long("large-files") => {
                    set.large_files = Some("1".into());
                    continue;
                }
                Long("scratch") => {
                    scratch = true;
                    continue;
                }
                Long("wait") => {
                    wait = true;
                    continue;
                }
                Short('h') | Long("help") => {
                    verb = "help".into();
                    continue;
                }
                Long("cpus") => &mut set.cpus,
                Long("mem") => &mut set.mem,
                Long("icount") => &mut set.icount,
                Long("profile") => &mut set.profile,
                Long("features") => &mut set.features,
                Long("qemu") => &mut set.qemu,
                Long("boot") => &mut set.boot,
                Long("cmd") => &mut set.cmd,
                Long("add") => &mut set.add,
                Long("keep") => &mut set.keep,
                Long("timeout") => &mut set.timeout,
                Long("port") => &mut set.port,
                Long("jobs") => &mut set.jobs,
                Long("lab") => &mut set.lab,
                Long("out") => &mut set.out,
                Long("tree") => &mut set.tree,
                Long("boot-timeout") => &mut set.boot_timeout,
                Long("programs") => &mut set.programs,
                Long("above") => &mut set.above,
                Long("dialect") => &mut set.dialect,
                other => return Err(other.unexpected().into()),
            };
            *slot = Some(string(parser.value()?)?);
        }
        let options = set.check(verb, rest)?;
        Ok(Options {
            list,
            scratch,
            wait,
            ..options
        })
    }
}

fn string(value: OsString) -> Result<String> {
    value.into_string().ok().context("an argument is not UTF-8")
}

/// The settings as text, not yet validated.
struct Settings {
    cpus: Option<String>,
    mem: Option<String>,
    icount: Option<String>,
    profile: Option<String>,
    features: Option<String>,
    qemu: Option<String>,
    boot: Option<String>,
    cmd: Option<String>,
    add: Option<String>,
    keep: Option<String>,
    timeout: Option<String>,
    port: Option<String>,
    jobs: Option<String>,
    lab: Option<String>,
    out: Option<String>,
    tree: Option<String>,
    boot_timeout: Option<String>,
    large_files: Option<String>,
    programs: Option<String>,
    dialect: Option<String>,
    above: Option<String>,
}

impl Settings {
    fn from_env(env: impl Fn(&str) -> Option<String>) -> Settings {
        Settings {
            cpus: env("CPUS"),
            mem: env("MEM"),
            icount: env("ICOUNT"),
            profile: env("PROFILE"),
            features: env("FEATURES"),
            qemu: env("QEMUEXTRA"),
            boot: env("BOOT"),
            cmd: env("CMD"),
            add: env("ADD"),
            keep: env("KEEP"),
            timeout: env("TIMEOUT"),
            port: env("GDBPORT"),
            jobs: env("JOBS"),
            lab: env("LAB"),
            out: env("OUT"),
            tree: env("TREE"),
            boot_timeout: env("XV6_BOOT_TIMEOUT"),
            large_files: env("LARGE_FILES"),
            programs: None,
            dialect: None,
            above: None,
        }
    }

    fn check(self, verb: String, rest: Vec<String>) -> Result<Options> {
        let icount = switch("ICOUNT", self.icount.as_deref().unwrap_or("0"))?;
        // With -icount harts take turns, so one hart measures best.
        let default = if icount { "1" } else { "3" };
        let cpus = number("CPUS", self.cpus.as_deref().unwrap_or(default))?;
        if !(1..=8).contains(&cpus) {
            bail!("CPUS={cpus}: Pagoda runs on 1 to 8 harts");
        }
        let mem = self.mem.unwrap_or_else(|| "128M".into());
        memory(&mem)?;
        Ok(Options {
            verb,
            rest,
            hardware: Hardware {
                cpus,
                mem,
                icount,
                extra: words(&self.qemu.unwrap_or_default()),
                boot: self.boot.unwrap_or_default(),
            },
            profile: Profile::from_name(self.profile.as_deref().unwrap_or("release"))?,
            features: words(&self.features.unwrap_or_default()),
            cmd: self.cmd,
            add: words(&self.add.unwrap_or_default())
                .into_iter()
                .map(PathBuf::from)
                .collect(),
            keep: self.keep.map(PathBuf::from),
            timeout: Duration::from_secs(number(
                "TIMEOUT",
                self.timeout.as_deref().unwrap_or("120"),
            )?),
            gdb_port: port(self.port.as_deref().unwrap_or("26000"))?,
            jobs: self.jobs.map(|jobs| number("JOBS", &jobs)).transpose()?,
            list: false,
            format: match switch("LARGE_FILES", self.large_files.as_deref().unwrap_or("0"))? {
                true => Format::LargeFiles,
                false => Format::Plain,
            },
            programs: self.programs.as_deref().map(words),
            dialect: self
                .dialect
                .as_deref()
                .map(Dialect::from_name)
                .transpose()?,
            scratch: false,
            wait: false,
            lab: self.lab,
            out: self.out.map(PathBuf::from),
            tree: self.tree,
            boot_timeout: Duration::from_secs(number(
                "XV6_BOOT_TIMEOUT",
                self.boot_timeout.as_deref().unwrap_or("30"),
            )?),
            above: match self.above.as_deref().map(words) {
                Some(pids) => Some(processes(&pids)?),
                None => None,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str], environment: &[(&str, &str)]) -> Result<Options> {
        Options::parse_from(lexopt::Parser::from_args(arguments), |name| {
            environment
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| value.to_string())
        })
    }

    #[test]
    fn defaults() {
        let options = parse(&["run"], &[]).unwrap();
        assert_eq!(
            (options.hardware.cpus, options.hardware.mem.as_str()),
            (3, "128M")
        );
        assert_eq!(options.timeout, Duration::from_secs(120));
        assert_eq!(options.profile, Profile::Release);
    }

    #[test]
    fn flags_override_the_environment() {
        let environment = [
            ("CPUS", "2"),
            ("CMD", "ls; wc README"),
            ("QEMUEXTRA", "-icount shift=0"),
        ];
        let options = parse(&["run", "--cpus", "5"], &environment).unwrap();
        assert_eq!(options.hardware.cpus, 5);
        assert_eq!(options.cmd.as_deref(), Some("ls; wc README"));
        assert_eq!(options.hardware.extra, ["-icount", "shift=0"]);
    }

    #[test]
    fn invalid_settings_are_refused() {
        for environment in [
            ("CPUS", "0"),
            ("CPUS", "9"),
            ("CPUS", "two"),
            ("TIMEOUT", "-1"),
            ("ICOUNT", "yes"),
        ] {
            assert!(
                parse(&["run"], &[environment]).is_err(),
                "{environment:?} was taken"
            );
        }
        assert!(parse(&["run", "--frobnicate"], &[]).is_err());
    }

    fn refusal(name: &str, value: &str) -> String {
        parse(&["run"], &[(name, value)]).unwrap_err().to_string()
    }

    #[test]
    fn memory_sizes_are_checked() {
        for size in ["5M", "5", "5120K", "128m", "1G", "0.5g", "5242880B", "1T"] {
            let options = parse(&["run"], &[("MEM", size)]).expect(size);
            assert_eq!(options.hardware.mem, size);
        }
        for size in ["0", "1", "1K", "4M", "4.9M", "5119K", "5242879B", "0G"] {
            let expected = format!("MEM={size}: Pagoda needs at least 5M");
            assert_eq!(refusal("MEM", size), expected);
        }
        for size in [
            "lots",
            "128MB",
            "-1G",
            "1e3",
            "size=128M",
            "M",
            "1..2",
            "inf",
        ] {
            let expected = format!("MEM={size}: expected a size like 128M or 1G");
            assert_eq!(refusal("MEM", size), expected);
        }
    }

    #[test]
    fn ports_are_checked() {
        let options = parse(&["gdb"], &[("GDBPORT", "65535")]).unwrap();
        assert_eq!(options.gdb_port, 65535);
        for port in ["0", "65536", "99999", "-1", "gdb"] {
            let expected = format!("GDBPORT={port}: expected a port from 1 to 65535");
            assert_eq!(refusal("GDBPORT", port), expected);
        }
    }

    #[test]
    fn icount_defaults_to_one_hart() {
        let icount = ("ICOUNT", "1");
        let options = parse(&["run"], &[icount]).unwrap();
        assert_eq!((options.hardware.icount, options.hardware.cpus), (true, 1));
        let options = parse(&["run"], &[icount, ("CPUS", "4")]).unwrap();
        assert_eq!((options.hardware.icount, options.hardware.cpus), (true, 4));
        let options = parse(&["run"], &[]).unwrap();
        assert!(!options.hardware.icount);
    }
}
