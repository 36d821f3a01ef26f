//! One group: redis, nginx, PostgreSQL and a compile, an agent, and the load on them.

use super::host::GROUPS;
use super::options::Work;
use super::pack::{Pack, ROOTS};
use crate::guest::Cgroup;
use crate::process::output_of;
use crate::work::agents::{Agents, Place, Running};
use crate::work::image::Image;
use crate::work::latency::Window;
use crate::work::load::{self, Load, Report};
use crate::work::servers::{Images, Ports, Servers};
use crate::work::usage::Usage;
use crate::work::{compile, postgres};
use anyhow::{Context, Result, bail, ensure};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::{Gid, Pid, Uid, chown};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What tells one group from the others.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Its agent.
    pub agents: Agents,
    /// Its processors; all if it has none of its own.
    pub processors: Vec<usize>,
    /// Where its servers listen.
    pub ports: Ports,
    /// Its files.
    pub directory: PathBuf,
    /// Those of its agent.
    pub agent: PathBuf,
}

/// A group whose servers run.
#[derive(Debug)]
pub struct Group {
    plan: Plan,
    work: Work,
    images: Images,
    servers: Servers,
    postgres: Child,
    database: Cgroup,
    compile: Cgroup,
    own: Cgroup,
    load: Cgroup,
}

/// The load on a group.
#[derive(Debug)]
pub struct Loads {
    requests: Load,
    compile: Load,
    pgbench: Child,
    start: Duration,
    windows: Vec<Window>,
}

impl Group {
    /// Unpacks its images, starts its servers and fills them. All that is started has the group's processors.
    pub fn start(plan: Plan, work: Work, pack: &Pack) -> Result<Self> {
        use_processors(&plan.processors)?;
        let set_up = Cgroup::create(&format!("{GROUPS}/set-up"))?;
        for name in ROOTS {
            pack.unpack(name, &plan.directory.join(name), &set_up)?;
        }
        let image = |name: &str| Image::at(&plan.directory.join(name));
        let images = Images::fill(image("redis"), image("nginx"), plan.ports, &work.sizes)?;
        compile::prepare(image("compile").root(), work.functions)?;
        postgres::prepare(image("postgres").root(), work.rows)?;
        super::forget::forget(&plan.directory)?;
        let parent = format!("{GROUPS}/{}", plan.agents.name());
        let servers = Servers::start(&images, &parent, &work.sizes, false)?;
        let database = Cgroup::create(&format!("{parent}/postgres"))?;
        let postgres = start_postgres(&image("postgres"), &database, &work)?;
        Ok(Self {
            database,
            compile: Cgroup::create(&format!("{parent}/compile"))?,
            own: Cgroup::create(&format!("{GROUPS}/agents/{}", plan.agents.name()))?,
            load: Cgroup::create(&format!("{GROUPS}/load/{}", plan.agents.name()))?,
            plan,
            work,
            images,
            servers,
            postgres,
        })
    }

    /// Its agent.
    #[must_use]
    pub fn agents(&self) -> Agents {
        self.plan.agents
    }

    /// The agent's cgroup.
    #[must_use]
    pub fn own(&self) -> &Cgroup {
        &self.own
    }

    /// Bytes of nginx's files that are in the page cache.
    pub fn cached(&self) -> Result<u64> {
        self.images.cached()
    }

    /// Bytes of nginx's files.
    #[must_use]
    pub fn files(&self) -> u64 {
        self.work.sizes.file_bytes()
    }

    /// What the kernel counts of each of its cgroups.
    pub fn usage(&self) -> Result<BTreeMap<String, Usage>> {
        let read = |(name, cgroup): (&str, &Cgroup)| Ok((name.to_owned(), Usage::read(cgroup)?));
        self.cgroups().into_iter().map(read).collect()
    }

    /// The paths of its cgroups, as policies name them.
    #[must_use]
    pub fn paths(&self) -> Vec<String> {
        self.cgroups().iter().map(|(_, cgroup)| cgroup.name()).collect()
    }

    fn cgroups(&self) -> [(&'static str, &Cgroup); 4] {
        let [redis, nginx] = self.servers.cgroups();
        [redis, nginx, ("postgres", &self.database), ("compile", &self.compile)]
    }

    /// Starts its agent.
    pub fn start_agent(&self) -> Result<Running> {
        use_processors(&self.plan.processors)?;
        let place = Place {
            parent: &self.servers.parent,
            servers: self.cgroups().map(|(_, cgroup)| cgroup).to_vec(),
            own: &self.own,
            directory: self.plan.agent.clone(),
            oomd: Some(self.plan.directory.join("oomd")),
        };
        Running::start(self.plan.agents, &place)
    }

    /// Starts its load.
    pub fn start_load(&self, seconds: u64, windows: &[Window]) -> Result<Loads> {
        use_processors(&self.plan.processors)?;
        let settings = load::Settings {
            redis: self.plan.ports.redis,
            nginx: self.plan.ports.nginx,
            seconds,
            window: windows.to_vec(),
            report: self.plan.directory.join("load.json"),
            sizes: self.work.sizes,
        };
        let compile = compile::Settings {
            cgroup: self.compile.path().to_owned(),
            root: self.plan.directory.join("compile"),
            seconds,
            period: self.work.compile_period,
            window: windows.to_vec(),
            report: self.plan.directory.join("compile.json"),
        };
        let image = Image::at(&self.plan.directory.join("postgres"));
        let pgbench = format!("{}/pgbench", programs(&image)?);
        let mut command = self.load.command_as(postgres::USER, image.root(), &pgbench);
        command.args(postgres::load(self.work.rate, seconds, self.work.sizes.seed)).arg("postgres");
        let start = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock")?;
        Ok(Loads {
            requests: Load::start(&self.load, settings)?,
            compile: compile::start(&self.load, &compile)?,
            pgbench: command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?,
            start,
            windows: windows.to_vec(),
        })
    }

    /// Waits for the end of its load, and collects what each part measured.
    pub fn finish(&mut self, mut loads: Loads) -> Result<Report> {
        let mut report = loads.requests.finish()?;
        let compile = loads.compile.finish()?;
        report.servers.extend(compile.servers);
        let status = loads.pgbench.wait().context("cannot wait for pgbench")?;
        ensure!(status.success(), "pgbench ended with {status}");
        let root = self.plan.directory.join("postgres");
        let requests = postgres::requests(&root, loads.start, &loads.windows)?;
        report.servers.insert("postgres".to_owned(), requests);
        self.servers.check()?;
        let ended = self.postgres.try_wait().context("cannot ask for PostgreSQL")?;
        ensure!(ended.is_none(), "PostgreSQL ended by itself");
        Ok(report)
    }
}

/// Where the image has PostgreSQL's programs, as the image itself sees it.
fn programs(image: &Image) -> Result<String> {
    let programs = postgres::programs(image.root())?;
    let inside = programs.strip_prefix(image.root()).context("a program outside its image")?;
    Ok(format!("/{}", inside.display()))
}

fn start_postgres(image: &Image, cgroup: &Cgroup, work: &Work) -> Result<Child> {
    let programs = programs(image)?;
    for directory in ["data", "tmp"] {
        let path = image.root().join(directory);
        fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
        let (user, group) = (Uid::from_raw(postgres::USER), Gid::from_raw(postgres::USER));
        chown(&path, Some(user), Some(group)).with_context(|| format!("cannot own {}", path.display()))?;
    }
    image.null_device()?;
    let run =
        |program: &str| cgroup.command_as(postgres::USER, image.root(), &format!("{programs}/{program}"));
    output_of(run("initdb").args(postgres::INITDB).stdin(Stdio::null()))?;
    let mut server = run("postgres");
    server.args(postgres::arguments(work.shared_buffers())).stdin(Stdio::null());
    let log = fs::File::create(image.root().join("log")).context("cannot create PostgreSQL's log")?;
    let mut server =
        server.stdout(log.try_clone()?).stderr(log).spawn().context("cannot start PostgreSQL")?;
    let mut last = None;
    for _ in 0..300 {
        match output_of(run("pgbench").args(postgres::CREATE).arg("postgres").stdin(Stdio::null())) {
            Ok(_) => return Ok(server),
            Err(error) => last = Some(error),
        }
        if let Some(status) = server.try_wait()? {
            bail!("PostgreSQL ended with {status}");
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    Err(last.context("PostgreSQL was not asked")?).context("PostgreSQL does not answer")
}

/// This process, and what it starts from now on, runs on these processors only; on all if there is none.
pub fn use_processors(processors: &[usize]) -> Result<()> {
    let mut set = CpuSet::new();
    let all: Vec<usize> = (0..CpuSet::count()).collect();
    for processor in if processors.is_empty() { &all } else { processors } {
        set.set(*processor).with_context(|| format!("no processor {processor}"))?;
    }
    sched_setaffinity(Pid::from_raw(0), &set).context("cannot choose processors")
}
