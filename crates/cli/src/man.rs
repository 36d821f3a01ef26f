//! What the man pages say beside what is parsed: files, environment, exit statuses, examples; and
//! lowtide.yaml(5) from the schema.

use std::fmt::Write;

use serde_json::Value;

/// What a section lists: a term and what is to be said of it.
type Terms = [(&'static str, &'static str)];

const FILES: &Terms = &[
    ("/etc/lowtide/lowtide.yaml", "The host's configuration: lowtide.yaml(5)."),
    ("/etc/lowtide/policies.d/*.yaml", "More policies, read in the order of their names."),
    (
        "/run/lowtide/lowtide.sock",
        "The control socket; control.socket names another one, control.group who may ask.",
    ),
    (
        "/var/lib/lowtide",
        "Journal of changed kernel settings, records of what was set up, savings so far; state_dir names another one.",
    ),
];

const ENVIRONMENT: &Terms = &[
    (
        "LOWTIDE_LOG",
        "What the daemon logs: error, warn, info (the default), debug or trace, or one of them for a module, as in lowtide_daemon=debug.",
    ),
    ("NO_COLOR", "Set and not empty: no colours in the log and in top."),
    ("COLUMNS", "How many characters fit a line, where the terminal does not say it."),
];

const EXIT_STATUS: &Terms = &[
    ("0", "It was done."),
    ("1", "It could not be done, or only in part; the message says why."),
    ("2", "The command line is wrong."),
    ("74", "The output was lost: a full disk, or a pipe that was closed."),
    ("78", "The configuration is wrong, or does not suit this host."),
];

/// The examples of a man page, by its name.
fn examples(page: &str) -> &'static Terms {
    match page {
        "lowtide-run" => {
            &[("LOWTIDE_LOG=debug lowtide run", "In the foreground, with every decision in the log.")]
        }
        "lowtide-check" => &[(
            "lowtide check --environment --deny-warnings",
            "Before a roll-out: fails also where this host cannot do what is asked.",
        )],
        "lowtide-doctor" => &[(
            "lowtide doctor --json | jq -r '.findings[] | select(.found != \"yes\") | .name'",
            "What is missing on this host.",
        )],
        "lowtide-status" => &[
            ("lowtide status --sort saved --top 10", "The ten cgroups that save most."),
            ("lowtide status '/kubepods.slice/**'", "Those below one slice."),
            ("lowtide status --json nginx.service", "One service, for a script."),
        ],
        "lowtide-explain" => {
            &[("lowtide explain /system.slice/nginx.service", "Why the last step was, or was not, taken.")]
        }
        "lowtide-top" => &[
            ("lowtide top", "What the host and its tenants do now."),
            ("lowtide top --once --view host --interval 10s", "Ten seconds of the host's reclaim, as text."),
            (
                "lowtide top --json | jq -r '.tenants[] | select(.refaulted_per_second > 1e6) | .path'",
                "Tenants that read back more than a megabyte a second.",
            ),
        ],
        "lowtide-report" => &[("lowtide report --json | jq .now.net", "Bytes saved net at this moment.")],
        "lowtide-tiers" | "lowtide-tiers-plan" | "lowtide-tiers-apply" => {
            &[("lowtide tiers plan && lowtide tiers apply", "Look first, then set up.")]
        }
        "lowtide-restore" => &[(
            "systemctl stop lowtide && lowtide restore",
            "Everything back as it was found, as far as no pages are held.",
        )],
        _ => &[(
            "lowtide doctor; lowtide check --environment; lowtide run",
            "The first three commands on a new host.",
        )],
    }
}

/// What is put behind the generated part of a page.
#[must_use]
pub fn sections(page: &str) -> String {
    let mut text = String::new();
    section(&mut text, "EXIT STATUS", EXIT_STATUS);
    section(&mut text, "ENVIRONMENT", ENVIRONMENT);
    section(&mut text, "FILES", FILES);
    section(&mut text, "EXAMPLES", examples(page));
    text.push_str(".SH SEE ALSO\nlowtide(1), lowtide.yaml(5)\n");
    text
}

fn section(text: &mut String, title: &str, terms: &Terms) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, ".SH \"{title}\"");
    for (term, meaning) in terms {
        let _ = writeln!(text, ".TP\n\\fB{}\\fR\n{}", escaped(term), escaped(meaning));
    }
}

/// lowtide.yaml(5): every key with its meaning, what is allowed and its default.
#[must_use]
pub fn configuration(schema: &Value) -> String {
    let mut text = ".TH lowtide.yaml 5 lowtide lowtide\n.SH NAME\nlowtide.yaml \\- configuration of lowtide(1)\n.SH DESCRIPTION\n\
                    One YAML document, UTF\\-8, at most 1 MiB. Policies may stand in policies.d/*.yaml beside it, too. Unknown keys, keys \
                    given twice and keys without a value are errors; lowtide\\-check(1) shows all of them.\n.SH KEYS\n"
        .to_owned();
    keys(&mut text, "", schema);
    section(&mut text, "FILES", FILES);
    text.push_str(
        ".SH EXAMPLES\n.nf\ninterval: 6s\npolicies:\n  \\- name: web\n    match: [\"/system.slice/nginx.service\"]\n    mode: observe\n\
         .fi\n.SH SEE ALSO\nlowtide(1), lowtide\\-check(1)\n",
    );
    text
}

fn keys(text: &mut String, above: &str, schema: &Value) {
    for (key, value) in schema["properties"].as_object().into_iter().flatten() {
        let path = if above.is_empty() { key.clone() } else { format!("{above}.{key}") };
        let about = value["description"].as_str().unwrap_or_default().replace('\n', " ");
        let _ = writeln!(text, ".TP\n\\fB{}\\fR\n{}", escaped(&path), escaped(&about));
        keys(text, &path, value);
        keys(text, &path, &value["items"]);
    }
}

/// As roff takes it: a backslash, a dash that is one, and no request at the beginning of a line.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}
