//! README.md and docs, as whoever reads them copies from them: fenced blocks, and the commands in those.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The top of the workspace.
#[must_use]
pub fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A page of the documentation.
#[derive(Debug, Clone)]
pub struct Page {
    /// As seen from the top of the workspace.
    pub name: String,
    /// All of it.
    pub text: String,
}

/// README.md and every page below docs.
#[must_use]
pub fn pages() -> Vec<Page> {
    let mut files = vec![top().join("README.md")];
    let mut directories = vec![top().join("docs")];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                files.push(path);
            }
        }
    }
    files.sort();
    let page = |path: PathBuf| Page {
        name: path.strip_prefix(top()).unwrap().to_str().unwrap().to_owned(),
        text: fs::read_to_string(&path).unwrap(),
    };
    files.into_iter().map(page).collect()
}

/// A fenced block.
#[derive(Debug, Clone)]
pub struct Block {
    /// Page and line of the opening fence, as `docs/top.md:6`.
    pub place: String,
    /// What stands behind the opening fence.
    pub language: String,
    /// Without the fences, and without their indentation.
    pub text: String,
}

impl Page {
    /// All of its blocks.
    #[must_use]
    pub fn blocks(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut lines = self.text.lines().enumerate();
        while let Some((number, line)) = lines.next() {
            let indent = line.len() - line.trim_start().len();
            let Some(language) = line.trim_start().strip_prefix("```") else { continue };
            let place = format!("{}:{}", self.name, number + 1);
            let mut text = String::new();
            loop {
                let (_, line) = lines.next().unwrap_or_else(|| panic!("{place}: a block without an end"));
                if line.trim() == "```" {
                    break;
                }
                text.push_str(line.get(indent..).unwrap_or_default());
                text.push('\n');
            }
            blocks.push(Block { place, language: language.trim().to_owned(), text });
        }
        blocks
    }

    /// What stands between backticks in the prose, with its place. It may go over a line's end.
    #[must_use]
    pub fn inline(&self) -> Vec<(String, String)> {
        let mut inline = Vec::new();
        let mut in_block = false;
        let mut paragraph = (1, String::new());
        for (number, line) in self.text.lines().chain([""]).enumerate() {
            let is_fence = line.trim_start().starts_with("```");
            in_block ^= is_fence;
            if !in_block && !is_fence && !line.trim().is_empty() {
                paragraph.1.push_str(line);
                paragraph.1.push(' ');
                continue;
            }
            let spans = paragraph.1.split('`').skip(1).step_by(2);
            inline.extend(spans.map(|span| (format!("{}:{}", self.name, paragraph.0), span.to_owned())));
            paragraph = (number + 2, String::new());
        }
        inline
    }
}

/// Every block of every page.
#[must_use]
pub fn blocks() -> Vec<Block> {
    pages().iter().flat_map(Page::blocks).collect()
}

/// A simple command of a shell, with the words as the program would get them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// Program and arguments, without `sudo` and assignments before them.
    pub words: Vec<String>,
    /// Files that its output is redirected to.
    pub written: Vec<String>,
}

impl Block {
    /// Is it something to type into a shell?
    #[must_use]
    pub fn is_shell(&self) -> bool {
        ["sh", "bash", "shell", "console"].contains(&&*self.language)
    }

    /// What is to be typed: all of it, or of a `console` what stands behind a prompt.
    #[must_use]
    pub fn script(&self) -> String {
        if self.language != "console" {
            return self.text.clone();
        }
        let typed = |line: &str| {
            let line = line.strip_prefix("# ").or_else(|| line.strip_prefix("$ "))?;
            Some(format!("{line}\n"))
        };
        self.text.lines().filter_map(typed).collect()
    }

    /// Its commands, in their order.
    #[must_use]
    pub fn commands(&self) -> Vec<Invocation> {
        commands(&self.script())
    }
}

/// The simple commands of a script: of lists, pipes, `$(…)`, and what `sudo` and `kubectl exec` run. That
/// much of a shell's grammar as documentation needs; `bash -n` is asked besides.
#[must_use]
pub fn commands(script: &str) -> Vec<Invocation> {
    let mut reader = Reader { rest: script.chars().collect::<Vec<_>>(), at: 0, found: Vec::new() };
    reader.list(None);
    reader.found.iter().flat_map(unwrapped).collect()
}

/// What `sudo`, assignments and `kubectl exec … --` stand before is a command as well.
fn unwrapped(invocation: &Invocation) -> Vec<Invocation> {
    let mut words = &invocation.words[..];
    let is_assignment = |word: &String| {
        word.split_once('=').is_some_and(|(name, _)| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        })
    };
    while words.first().is_some_and(|word| word == "sudo" || is_assignment(word)) {
        words = &words[1..];
    }
    let mut all = vec![Invocation { words: words.to_vec(), written: invocation.written.clone() }];
    if words.first().is_some_and(|word| word == "kubectl") && words.iter().any(|word| word == "exec") {
        let inner = words.iter().skip_while(|word| *word != "--").skip(1).cloned().collect::<Vec<_>>();
        if !inner.is_empty() {
            all.push(Invocation { words: inner, written: Vec::new() });
        }
    }
    all.retain(|invocation| !invocation.words.is_empty());
    all
}

struct Reader {
    rest: Vec<char>,
    at: usize,
    found: Vec<Invocation>,
}

impl Reader {
    fn peek(&self) -> Option<char> {
        self.rest.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek();
        self.at += 1;
        next
    }

    fn skip(&mut self, is_skipped: impl Fn(char) -> bool) {
        while self.peek().is_some_and(&is_skipped) {
            self.at += 1;
        }
    }

    /// Up to `end`, or the end of everything.
    fn list(&mut self, end: Option<char>) {
        let mut now = Invocation { words: Vec::new(), written: Vec::new() };
        let mut until: Vec<String> = Vec::new();
        loop {
            match self.peek() {
                None => break,
                found if found == end => {
                    self.at += 1;
                    break;
                }
                Some('\n') => {
                    self.at += 1;
                    self.flush(&mut now);
                    for word in until.drain(..) {
                        self.skip_document(&word);
                    }
                }
                Some(' ' | '\t') => self.at += 1,
                // A line that goes on.
                Some('\\') if self.rest.get(self.at + 1) == Some(&'\n') => self.at += 2,
                Some('#') => self.skip(|c| c != '\n'),
                Some('|' | ';' | '&') => {
                    self.at += 1;
                    self.flush(&mut now);
                }
                Some('>') => {
                    self.skip(|c| matches!(c, '>' | '&' | ' '));
                    let file = self.word(end);
                    now.written.push(file);
                }
                Some('<') => {
                    let mut signs = 0;
                    while self.peek() == Some('<') {
                        self.at += 1;
                        signs += 1;
                    }
                    self.skip(|c| c == ' ');
                    let word = self.word(end);
                    if signs == 2 {
                        until.push(word);
                    }
                }
                Some(_) => {
                    let word = self.word(end);
                    // The number of a descriptor that is redirected.
                    if !(word.chars().all(|c| c.is_ascii_digit()) && self.peek() == Some('>')) {
                        now.words.push(word);
                    }
                }
            }
        }
        self.flush(&mut now);
    }

    fn flush(&mut self, now: &mut Invocation) {
        let now = std::mem::replace(now, Invocation { words: Vec::new(), written: Vec::new() });
        if !now.words.is_empty() {
            self.found.push(now);
        }
    }

    fn skip_document(&mut self, end: &str) {
        let mut line = String::new();
        while let Some(c) = self.next() {
            if c != '\n' {
                line.push(c);
            } else if std::mem::take(&mut line) == end {
                return;
            }
        }
    }

    fn word(&mut self, end: Option<char>) -> String {
        let mut word = String::new();
        while let Some(c) = self.peek() {
            if Some(c) == end || matches!(c, ' ' | '\t' | '\n' | '|' | ';' | '&' | '<' | '>') {
                break;
            }
            self.at += 1;
            match c {
                '\'' => {
                    while let Some(c) = self.next().filter(|c| *c != '\'') {
                        word.push(c);
                    }
                }
                '"' => self.quoted(&mut word),
                '\\' => word.extend(self.next().filter(|c| *c != '\n')),
                '$' if self.peek() == Some('(') => self.substitution(&mut word),
                _ => word.push(c),
            }
        }
        word
    }

    fn quoted(&mut self, word: &mut String) {
        while let Some(c) = self.next().filter(|c| *c != '"') {
            match c {
                '\\' => word.extend(self.next()),
                '$' if self.peek() == Some('(') => self.substitution(word),
                _ => word.push(c),
            }
        }
    }

    /// What it prints is not known here: `$()` stands for it.
    fn substitution(&mut self, word: &mut String) {
        self.at += 1;
        self.list(Some(')'));
        word.push_str("$()");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(script: &str) -> Vec<String> {
        commands(script).iter().map(|command| command.words.join(" ")).collect()
    }

    #[test]
    fn commands_are_found_wherever_they_stand() {
        assert_eq!(words("lowtide status   # why\n\nsudo lowtide top"), ["lowtide status", "lowtide top"]);
        assert_eq!(words("a && b || c; d | e & f"), ["a", "b", "c", "d", "e", "f"]);
        assert_eq!(words("echo \"$(lowtide check) $(b 'x)')\""), ["lowtide check", "b x)", "echo $() $()"]);
        assert_eq!(words("cat <<'EOF'\nnot; this\nEOF\nlowtide run"), ["cat", "lowtide run"]);
        assert_eq!(words("A=1 sudo lowtide run"), ["lowtide run"]);
        assert_eq!(
            words("kubectl exec daemonset/x -- lowtide status"),
            ["kubectl exec daemonset/x -- lowtide status", "lowtide status"]
        );
        assert_eq!(words("a \\\n  --b 'c # d'"), ["a --b c # d"]);
    }

    #[test]
    fn words_are_as_the_program_gets_them() {
        let [command] = &commands("report --since \"7d ago\" 2>/dev/null > out.txt")[..] else { panic!() };
        assert_eq!(command.words, ["report", "--since", "7d ago"]);
        assert_eq!(command.written, ["/dev/null", "out.txt"]);
    }

    #[test]
    fn blocks_may_be_indented_and_have_no_language() {
        let text = "a\n```sh\nx\n```\n- b\n\n  ```\n  y\n    z\n  ```\n`c d`\ne `f\ng`\n".to_owned();
        let page = Page { name: "p.md".to_owned(), text };
        let blocks = page.blocks();
        let told = blocks.iter().map(|block| (&*block.place, &*block.language, &*block.text));
        assert_eq!(told.collect::<Vec<_>>(), [("p.md:2", "sh", "x\n"), ("p.md:7", "", "y\n  z\n")]);
        let inline = page.inline();
        assert_eq!(inline.iter().map(|(_, span)| &**span).collect::<Vec<_>>(), ["c d", "f g"]);
    }

    #[test]
    fn of_a_console_only_what_is_typed() {
        let text = "# lowtide status\nhost\n$ lowtide top\n".to_owned();
        let block = Block { place: "p.md:1".to_owned(), language: "console".to_owned(), text };
        let typed: Vec<_> = block.commands().into_iter().map(|command| command.words.join(" ")).collect();
        assert_eq!(typed, ["lowtide status", "lowtide top"]);
    }
}
