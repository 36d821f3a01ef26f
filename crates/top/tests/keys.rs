//! What the keys do.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use lowtide_top::{
    model::Model,
    screen::{Flow, Key, Over, Screen, Sort, View},
};
use support::{answering, answers, model, silent};

const NGINX: u64 = 10_051_729;
const BATCH: u64 = 10_051_674;

fn tenants() -> Model {
    model("7.3", [answering(&answers::text(110)), answering(&answers::text(111))])
}

fn pressed(keys: &[Key], model: &Model) -> Screen {
    let mut screen = Screen::default();
    for key in keys {
        assert_eq!(screen.press(*key, model), Flow::Goes, "{key:?}");
    }
    screen
}

fn typed(text: &str) -> Vec<Key> {
    text.chars().map(Key::Char).collect()
}

fn names(screen: &Screen, model: &Model) -> Vec<String> {
    let last = |path: &str| path.rsplit('/').next().unwrap().to_owned();
    screen.tenants(model).iter().map(|tenant| last(&tenant.path)).collect()
}

#[test]
fn without_a_choice_there_is_most_to_see() {
    let screen = Screen::default();
    assert_eq!(screen.view(&tenants()), View::Tenants);
    assert_eq!(screen.view(&model("7.3", [silent(), silent()])), View::Host);
}

#[test]
fn views_by_number_and_in_turn() {
    let model = tenants();
    for (key, view) in [('1', View::Tenants), ('2', View::Tiers), ('3', View::Host)] {
        assert_eq!(pressed(&[Key::Char(key)], &model).view(&model), view);
    }
    let after = |tabs: usize| pressed(&vec![Key::Tab; tabs], &model).view(&model);
    assert_eq!([after(1), after(2), after(3)], [View::Tiers, View::Host, View::Tenants]);
}

#[test]
fn sorted_by_each_column_and_reversed() {
    let model = tenants();
    let mut screen = Screen::default();
    assert_eq!(
        names(&screen, &model),
        ["nginx.service", "batch.scope", "redis.service", "user-1000.slice", "cron.service"]
    );
    let mut seen = vec![screen.sort];
    for _ in 1..Sort::ALL.len() {
        screen.press(Key::Char('s'), &model);
        seen.push(screen.sort);
    }
    assert!(Sort::ALL.iter().all(|sort| seen.contains(sort)), "{seen:?}");
    screen.press(Key::Char('s'), &model);
    assert_eq!(screen.sort, Sort::default());

    let first = |sort: Sort, reversed: bool| {
        names(&Screen { sort, reversed, ..Screen::default() }, &model)[0].clone()
    };
    assert_eq!(first(Sort::Cgroup, false), "batch.scope");
    assert_eq!(first(Sort::Offloaded, false), "batch.scope");
    assert_eq!(first(Sort::Cold, false), "batch.scope");
    assert_eq!(first(Sort::WorkingSet, false), "nginx.service");
    assert_eq!(first(Sort::WorkingSet, true), "user-1000.slice", "what is not known is least");
    assert_eq!(first(Sort::Pressure, false), "nginx.service");
    assert_eq!(first(Sort::Refaults, false), "nginx.service");
    assert_eq!(pressed(&[Key::Char('r')], &model).tenants(&model)[0].dram, model.tenants[3].dram);
}

#[test]
fn a_filter_is_typed_kept_and_left() {
    let model = tenants();
    let keys = |more: &[Key]| [&typed("/service")[..], more].concat();
    let all = model.tenants.len();
    let filtered = pressed(&keys(&[]), &model);
    assert!(filtered.typing && filtered.filter == "service");
    assert_eq!(filtered.tenants(&model).len(), 3);
    // q and s are letters there.
    assert_eq!(pressed(&typed("/qs"), &model).filter, "qs");
    assert_eq!(pressed(&keys(&[Key::Backspace, Key::Backspace]), &model).filter, "servi");
    let kept = pressed(&keys(&[Key::Enter]), &model);
    assert!(!kept.typing && kept.tenants(&model).len() == 3);
    for left in [keys(&[Key::Escape]), keys(&[Key::Enter, Key::Escape])] {
        let left = pressed(&left, &model);
        assert_eq!((left.typing, left.tenants(&model).len()), (false, all));
    }
    let mut endless = pressed(&typed("/"), &model);
    for key in typed(&"x".repeat(5000)) {
        endless.press(key, &model);
    }
    assert!(endless.filter.len() <= 256);
}

#[test]
fn the_mark_stays_with_its_tenant() {
    let model = tenants();
    let mut screen = pressed(&[Key::Down], &model);
    assert_eq!(screen.selected, Some(BATCH));
    screen.press(Key::Char('r'), &model);
    assert_eq!(screen.row(&screen.tenants(&model)), 3, "sorted otherwise it is elsewhere");
    for (keys, row) in [
        (vec![Key::Up], 0),
        (vec![Key::End], 4),
        (vec![Key::PageDown], 4),
        (vec![Key::End, Key::Up], 3),
        (vec![Key::End, Key::Home], 0),
        (vec![Key::End, Key::PageUp], 0),
        (vec![Key::Char('j'), Key::Char('j'), Key::Char('k')], 1),
    ] {
        let screen = pressed(&keys, &model);
        assert_eq!(screen.row(&screen.tenants(&model)), row, "{keys:?}");
    }
    let mut gone = model.clone();
    gone.tenants.retain(|tenant| tenant.id != BATCH);
    assert_eq!(screen.row(&screen.tenants(&gone)), 0);
}

#[test]
fn a_tenants_past_is_opened_and_left() {
    let model = tenants();
    let open = pressed(&[Key::Enter], &model);
    assert_eq!(open.over, Over::Tenant(NGINX));
    assert_eq!(pressed(&[Key::Enter, Key::Down, Key::Enter], &model).scrolled, 1, "keys scroll there");
    let left = pressed(&[Key::Enter, Key::Escape], &model);
    assert_eq!((left.over, left.selected), (Over::Nothing, Some(NGINX)));
    assert_eq!(pressed(&[Key::Char('3'), Key::Enter], &model).over, Over::Nothing, "there is no tenant");
    let none = [&typed("/nobody")[..], &[Key::Enter, Key::Enter, Key::Down]].concat();
    assert_eq!(pressed(&none, &model).over, Over::Nothing, "none is shown");
}

#[test]
fn help_comes_and_goes() {
    let model = tenants();
    assert_eq!(pressed(&[Key::Char('?')], &model).over, Over::Help);
    for key in [Key::Char('?'), Key::Char('h'), Key::Escape] {
        assert_eq!(pressed(&[Key::Char('h'), key], &model).over, Over::Nothing);
    }
}

#[test]
fn who_leaves_leaves() {
    let model = tenants();
    let ends = |before: &[Key], key: Key| pressed(before, &model).press(key, &model) == Flow::Ends;
    assert!(ends(&[], Key::Char('q')) && ends(&[], Key::Interrupt));
    assert!(ends(&[Key::Char('?')], Key::Char('q')) && ends(&[Key::Enter], Key::Char('q')));
    assert!(ends(&typed("/"), Key::Interrupt) && !ends(&typed("/"), Key::Char('q')));
    assert!(pressed(&[Key::Char('p')], &model).paused && !pressed(&[Key::Char('p'); 2], &model).paused);
}
