/// What is done to the stage. One line each; `#` begins a comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// `turns N`: so many turns go by.
    Turns(u64),
    /// `write PATH TEXT`: a file of the kernel's tree, `\n` for a line break.
    Write(String, String),
    /// `add CGROUP KEY BYTES`: to a value of memory.stat.
    Add(String, String, i64),
    /// `copy FROM TO`: a directory of the tree.
    Copy(String, String),
    /// `choose CGROUP TEXT`: what its owner writes into user.lowtide_policy.
    Choose(String, String),
    /// `unreadable PATH`: reading the file fails.
    Unreadable(String),
    /// `refuse PATH ERRNO`: every write to the file fails from now on.
    Refuse(String, i32),
    /// `vanish CGROUP`: it is removed as soon as something is written to it.
    Vanish(String),
    /// `stall CGROUP PERCENT`: of the time its tasks wait for memory, from now on.
    Stall(String, u64),
    /// `hold` and `release`: what is written to memory.reclaim meanwhile does not return.
    Hold,
    Release,
    /// `alarm CGROUP`: its pressure trigger fires.
    Alarm(String),
    /// `reload FILE`: of the case's directory.
    Reload(String),
    /// `kill`: the daemon ends without a chance to put anything back, and another one starts.
    Kill,
    /// `stop`: it ends as at SIGTERM.
    Stop,
    /// `explain CGROUP`: as the command tells it.
    Explain(String),
    /// `status`: its first lines.
    Status,
    /// `metrics WORD…`: the lines of the page that have all the words.
    Metrics(Vec<String>),
    /// `show PATH`: what the file holds now.
    Show(String),
}

pub(super) fn read(text: &str) -> Vec<Step> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| step(line).unwrap_or_else(|| panic!("no step: {line}"))).collect()
}

fn step(line: &str) -> Option<Step> {
    let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
    let mut words = rest.split_whitespace().map(str::to_owned);
    let mut word = || words.next();
    Some(match name {
        "turns" => Step::Turns(word()?.parse().ok()?),
        "write" => {
            let (path, text) = rest.split_once(' ')?;
            Step::Write(path.to_owned(), text.replace("\\n", "\n"))
        }
        "add" => Step::Add(word()?, word()?, word()?.parse().ok()?),
        "copy" => Step::Copy(word()?, word()?),
        "choose" => Step::Choose(word()?, word()?),
        "unreadable" => Step::Unreadable(word()?),
        "refuse" => Step::Refuse(word()?, word()?.parse().ok()?),
        "vanish" => Step::Vanish(word()?),
        "stall" => Step::Stall(word()?, word()?.parse().ok()?),
        "hold" => Step::Hold,
        "release" => Step::Release,
        "alarm" => Step::Alarm(word()?),
        "reload" => Step::Reload(word()?),
        "kill" => Step::Kill,
        "stop" => Step::Stop,
        "explain" => Step::Explain(word()?),
        "status" => Step::Status,
        "metrics" => Step::Metrics(words.collect()),
        "show" => Step::Show(word()?),
        _ => return None,
    })
}
