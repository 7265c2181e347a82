//! What the user asked for: flags, or environment variables of the names that `make` knows.

use crate::c::Dialect;
use anyhow::{Context, Result, bail};
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
            other => bail!("profile {other:?}: it may be release or checked"),
        }
    }
}

/// The virtual machine's size, and what else QEMU is told.
#[derive(Clone, Debug)]
pub(crate) struct Hardware {
    pub(crate) cpus: u32,
    /// As QEMU writes it, `128M`.
    pub(crate) mem: String,
    pub(crate) extra: Vec<String>,
    /// Boot arguments for the kernel itself.
    pub(crate) boot: String,
}

/// The command line and the environment, checked.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) verb: String,
    /// What stands behind the verb.
    pub(crate) rest: Vec<String>,
    pub(crate) hardware: Hardware,
    pub(crate) profile: Profile,
    /// Of the kernel, on top of its default ones.
    pub(crate) features: Vec<String>,
    pub(crate) cmd: Option<String>,
    pub(crate) add: Vec<PathBuf>,
    pub(crate) keep: Option<PathBuf>,
    pub(crate) timeout: Duration,
    pub(crate) gdb_port: u16,
    /// How many guests `test` runs at once; `None` lets it choose.
    pub(crate) jobs: Option<usize>,
    /// `test` and others: only tell what there is.
    pub(crate) list: bool,
    /// `image`: only these of the programs.
    pub(crate) programs: Option<Vec<String>>,
    /// `cc`: not what the includes tell.
    pub(crate) dialect: Option<Dialect>,
    /// `boot`: nothing is written to the image.
    pub(crate) scratch: bool,
    /// `boot`: for gdb.
    pub(crate) wait: bool,
    /// `grade`: which lab.
    pub(crate) lab: Option<String>,
    /// `grade`: a file for the results.
    pub(crate) out: Option<PathBuf>,
    /// `grade`: what the results call the tree, instead of its path.
    pub(crate) tree: Option<String>,
    /// `grade`: until a guest runs its first program.
    pub(crate) boot_timeout: Duration,
    /// The processes above scripts/xtask when it was called, from its parent upwards.
    pub(crate) above: Option<Vec<Pid>>,
}

/// The environment's value; an empty one counts as none, since `make` exports all it knows.
fn env(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

fn number<T: std::str::FromStr>(what: &str, text: &str) -> Result<T> {
    text.parse()
        .ok()
        .with_context(|| format!("{what}={text}: a whole number is wanted"))
}

/// Processes by their numbers, up to the first that is none.
fn processes(numbers: &[String]) -> Result<Vec<Pid>> {
    let number = |text: &String| number("--above", text).map(Pid::from_raw);
    let numbers: Result<Vec<Option<Pid>>> = numbers.iter().map(number).collect();
    Ok(numbers?.into_iter().map_while(|pid| pid).collect())
}

impl Options {
    /// Reads the environment first, then the command line over it.
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

/// The settings as text, before they are checked.
struct Settings {
    cpus: Option<String>,
    mem: Option<String>,
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
    programs: Option<String>,
    dialect: Option<String>,
    above: Option<String>,
}

impl Settings {
    fn from_env(env: impl Fn(&str) -> Option<String>) -> Settings {
        Settings {
            cpus: env("CPUS"),
            mem: env("MEM"),
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
            programs: None,
            dialect: None,
            above: None,
        }
    }

    fn check(self, verb: String, rest: Vec<String>) -> Result<Options> {
        let cpus = number("CPUS", self.cpus.as_deref().unwrap_or("3"))?;
        if !(1..=8).contains(&cpus) {
            bail!("CPUS={cpus}: Pagoda runs on 1 to 8 harts");
        }
        Ok(Options {
            verb,
            rest,
            hardware: Hardware {
                cpus,
                mem: self.mem.unwrap_or_else(|| "128M".into()),
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
            gdb_port: number("GDBPORT", self.port.as_deref().unwrap_or("26000"))?,
            jobs: self.jobs.map(|jobs| number("JOBS", &jobs)).transpose()?,
            list: false,
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
    fn flags_win_over_the_environment() {
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
    fn nonsense_is_refused() {
        for environment in [
            ("CPUS", "0"),
            ("CPUS", "9"),
            ("CPUS", "two"),
            ("TIMEOUT", "-1"),
        ] {
            assert!(
                parse(&["run"], &[environment]).is_err(),
                "{environment:?} was taken"
            );
        }
        assert!(parse(&["run", "--frobnicate"], &[]).is_err());
    }
}
