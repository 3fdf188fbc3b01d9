from __future__ import annotations

from dataclasses import replace

import pytest

from scunext_edge.experiments.analysis import analyse
from scunext_edge.experiments.findings import findings
from scunext_edge.experiments.parts import parts_of
from scunext_edge.experiments.text import told, written

EVERY = {"edge", "skip", "fuse", "edge x skip", "edge x fuse", "skip x fuse", "edge x skip x fuse"}


def said(found):
    return "\n".join(findings(found, analyse(found)))


def test_a_row_is_the_mean_and_spread_over_splits(made_up):
    row = analyse(made_up.comparison(0.1)).rows[0]
    means = [one["dice"] for one in made_up.comparison(0.1).trials if one["arm"] == "a"]
    assert (row.arm, row.trials, row.params) == ("a", 3, 1000)
    assert row.scores["dice"].mean == pytest.approx(sum(means) / 3)


def test_a_clear_difference_is_significant(made_up):
    (found,) = analyse(made_up.comparison(0.1)).differences
    assert (found.arm, found.base, found.significant) == ("b", "a", True)
    assert found.splits.low < 0.1 < found.splits.high
    assert "**b** is better than a" in said(made_up.comparison(0.1))


def test_what_another_training_could_turn_around_is_not_significant(made_up):
    """Each split has its own large difference: the images are sure, the trainings are not."""
    results = made_up.comparison(0.02, noise=0.1, seed=3)
    (found,) = analyse(results).differences
    assert found.images.low * found.images.high > 0
    assert not found.significant
    assert "No network differs significantly" in said(results)
    assert "another training might turn it around" in said(results)


def test_differences_are_of_splits_that_both_have(made_up):
    whole = made_up.comparison(0.1)
    part = replace(whole, trials=whole.trials[:-1])
    (found,) = analyse(part).differences
    first_two = analyse(replace(whole, trials=whole.trials[:4])).differences[0]
    assert found.splits.mean == pytest.approx(first_two.splits.mean)
    assert analyse(part).missing == ("b/split3",)
    assert "1 of 6 trials are missing (b/split3)" in said(part)


def test_a_main_effect_is_found_and_nothing_else(made_up):
    effects = analyse(made_up.grid({("skip",): 0.03})).effects
    assert {effect.name for effect in effects} == EVERY
    assert [effect.name for effect in effects if effect.significant] == ["skip"]
    skip = next(effect for effect in effects if effect.name == "skip")
    assert skip.splits.mean == pytest.approx(0.03, abs=0.005)
    assert skip.trainings == 2 / 2**20  # of 20 pairs of trainings, each says the same


def test_an_interaction_is_told_from_two_main_effects(made_up):
    effects = {it.name: it for it in analyse(made_up.grid({("edge", "fuse"): 0.06})).effects}
    # the mean of on - off is half of what both together add; the interaction is all of it
    for name, mean in (("edge", 0.03), ("fuse", 0.03), ("edge x fuse", 0.06)):
        assert effects[name].splits.mean == pytest.approx(mean, abs=0.005)
        assert effects[name].significant
    assert not effects["skip"].significant


def test_without_effects_nothing_is_significant(made_up):
    results = made_up.grid({}, seed=1)
    assert not [effect.name for effect in analyse(results).effects if effect.significant]
    assert "Not significant at 5%: edge, skip, fuse" in said(results)


def test_a_test_that_cannot_be_significant_says_so(made_up):
    results = made_up.grid({("skip",): 0.03})
    three = next(it for it in analyse(results).effects if it.name == "edge x skip x fuse")
    assert three.least == 2 / 2**5
    assert "whatever they show: edge x skip x fuse (p cannot be less than 0.06)" in said(results)


def test_a_fold_that_lacks_a_combination_is_left_out_of_effects(made_up):
    whole = made_up.grid({("skip",): 0.03})
    part = analyse(replace(whole, trials=whole.trials[:-1])).effects
    four = analyse(replace(whole, trials=whole.trials[:-8])).effects
    assert [effect.trainings for effect in part] == [effect.trainings for effect in four]
    assert part[0].least == 2 / 2**16


def test_the_text_names_the_protocol_the_command_and_what_is_missing(made_up):
    whole = made_up.comparison(0.1)
    text = written(replace(whole, trials=whole.trials[:-1]))
    assert "Protocol **tiny**" in text
    assert "5 of 6 trials" in text
    assert "scunext-edge experiment asked.toml --protocol tiny.toml --data drawn" in text


def test_the_papers_row_stands_beside_full_trainings_alone(made_up):
    whole = made_up.comparison(0.1)
    for reduced in (False, True):
        protocol = {**whole.terms["protocol"], "reduced": reduced}
        arms = [
            {**arm, "name": name}
            for arm, name in zip(whole.terms["arms"], ("unext", "scunext"), strict=True)
        ]
        renamed = [
            {**one, "arm": {"a": "unext", "b": "scunext"}[one["arm"]]} for one in whole.trials
        ]
        terms = {**whole.terms, "paper": "table1", "protocol": protocol, "arms": arms}
        text = written(replace(whole, terms=terms, trials=tuple(renamed)))
        assert ("86.64" in text) is not reduced
        assert ("This is a reduced protocol" in text) is reduced


def sections(text):
    """Heading -> what stands below it."""
    return {part.partition("\n")[0]: part for part in text.split("\n## ")[1:]}


def test_folds_and_hospitals_are_tables_apart_and_never_one_mean(made_up):
    found = made_up.hospitals(0.1)
    folds, north, south = parts_of(found)
    assert [part.title for part in (folds, north, south)] == [
        "5 folds",
        "Trained on south, tested on north",
        "Trained on north, tested on south",
    ]
    row = analyse(folds.found).rows[0]
    means = [it["dice"] for it in found.trials if it["arm"] == "a" and it["cut"][:4] == "fold"]
    assert (row.trials, row.scores["dice"].mean) == (5, pytest.approx(sum(means) / 5))
    for part in (north, south):
        row = analyse(part.found).rows[0]
        assert (row.trials, row.scores["dice"].sd) == (1, None)


def test_each_table_says_what_differs_in_it(made_up):
    below = sections(written(made_up.hospitals(0.1, nearer=5.0)))
    assert "**b** is better than a by 10.0" in below["5 folds"]
    assert "pixels of HD95 (p" in below["5 folds"]
    north, south = (it for name, it in below.items() if name.startswith("Trained"))
    assert "b is worse than a by 10.0" in north
    assert "b is worse than a by 5.0" in north
    assert "b is better than a by 5.0" in south
    for hospital in (north, south):
        assert "one training of each" in hospital
        assert "over splits" not in hospital
    assert "± " not in north.partition("Paired")[0]


def test_hd95_stands_in_pixels_and_as_share_of_the_diagonal(made_up):
    found = made_up.hospitals(0.1, nearer=5.0)
    row = analyse(parts_of(found)[0].found).rows[0]
    assert row.scores["hd95_share"].mean == pytest.approx(row.scores["hd95"].mean / 100)
    line = next(it for it in written(found).splitlines() if it.startswith("| `a` |"))
    # 30 pixels, of a diagonal of 100
    assert line.count(f"{row.scores['hd95'].mean:.2f} ±") == 2
    assert "HD95" not in written(made_up.comparison(0.1))


def test_images_without_a_distance_are_told(made_up):
    assert "is empty" not in written(made_up.hospitals(0.1))
    below = sections(written(made_up.hospitals(0.1, empty=2)))
    assert "Of a, 10 times one of the two masks is empty" in below["5 folds"]
    assert "Of a, 2 times" in below["Trained on south, tested on north"]


def test_hd95_by_two_codes_is_told(made_up):
    found = made_up.hospitals(0.1)
    told_by = [{**one, "hd95_code": "a"} for one in found.trials]
    mixed = [*told_by[:-1], {**told_by[-1], "hd95_code": "b"}]
    sentence = "HD95 was measured by 2 states of its code."
    assert sentence in written(replace(found, trials=tuple(mixed)))
    assert sentence not in written(replace(found, trials=tuple(told_by)))


def test_what_is_missing_of_several_tables_is_told_once(made_up):
    whole = made_up.hospitals(0.1)
    part = replace(whole, trials=whole.trials[:-1])
    assert "13 of 14 trials" in written(part)
    assert "1 of 14 trials are missing (b/test-south)" in sections(written(part))["In all"]
    assert "In all" not in written(whole)
    data = told(part)
    assert [table["missing"] for table in data["parts"]] == [(), (), ("b/test-south",)]
    assert len(data["findings"]) == 1


def test_the_same_is_told_as_data(made_up):
    data = told(made_up.grid({("skip",): 0.03}))
    assert {effect["factors"] for effect in data["effects"]} >= {("skip",), ("edge", "fuse")}
    assert data["findings"]


def with_base(results, **splits):
    terms = {**results.terms, "base": "a"}
    return replace(results, terms={**terms, "splits": {**terms["splits"], **splits}})


def test_changes_are_compared_with_the_base_alone_and_kept_by_their_interval(made_up):
    won, open_, lost = (made_up.comparison(value) for value in (0.1, 0.0, -0.1))
    (found,) = analyse(with_base(won)).differences
    assert (found.arm, found.base) == ("b", "a")
    assert "**b** is better than a: +" in said(with_base(won))
    assert "over splits (p" in said(with_base(won))
    assert "**b** is worse than a: -" in said(with_base(lost))
    assert "can be told from zero over splits: b." in said(with_base(open_))


def test_a_base_is_any_row(made_up):
    results = made_up.comparison(0.1)
    (found,) = analyse(replace(results, terms={**results.terms, "base": "b"})).differences
    assert (found.arm, found.base) == ("a", "b")
    assert found.splits.mean < 0


def fixed(results):
    """As if each split was a seed of the data set's own."""
    trials = [{**one, "cut": one["cut"].replace("split", "seed")} for one in results.trials]
    terms = {**results.terms, "splits": {"kind": "fixed", "seeds": [1, 2, 3], "val": 0.1}}
    return replace(results, terms=terms, trials=tuple(trials))


def test_seeds_of_one_split_are_not_corrected_for_splits_that_overlap(made_up):
    results = made_up.comparison(0.02, noise=0.01)
    (drawn,), (seeds,) = (analyse(each).differences for each in (results, fixed(results)))
    assert seeds.splits.mean == drawn.splits.mean
    widths = [each.splits.high - each.splits.low for each in (drawn, seeds)]
    assert widths[0] / widths[1] == pytest.approx((1 + 3 * 40 / 400) ** 0.5)
    text = written(fixed(results))
    assert "95 % over seeds" in text
    assert "over splits" not in text
    assert "the data set's own split, one training for each seed (1, 2, 3)" in text
    assert "Nadeau" not in text


def test_the_text_says_which_parts_the_images_are_of(made_up):
    text = written(with_base(made_up.comparison(0.1), parts=["train", "val"]))
    assert "of its own parts train and val alone" in text


def left_out(results):
    """As if each split was a seed, with the hospital north left out."""
    trials = [
        {**one, "cut": one["cut"].replace("split", "seed") + "-test-north"}
        for one in results.trials
    ]
    splits = {"kind": "leave-one-out", "seeds": [1, 2, 3], "groups": ["north"], "column": "origin"}
    terms = {**results.terms, "splits": {**splits, "val": 0.1}}
    return replace(results, terms=terms, trials=tuple(trials))


def test_seeds_of_a_group_left_out_are_not_corrected_for_splits_either(made_up):
    results = made_up.comparison(0.02, noise=0.01)
    (own,), (north,) = (analyse(each(results)).differences for each in (fixed, left_out))
    assert north.splits == own.splits
    assert "Nadeau" not in written(left_out(results))


def test_a_spread_is_said_to_be_over_what_it_is_over(made_up):
    results = made_up.comparison(0.02)
    assert "standard deviation over splits, in" in written(results)
    for same_test in (fixed, left_out):
        assert "standard deviation over seeds, in" in written(same_test(results))
    assert "standard deviation over splits, in" in written(made_up.hospitals(0.1))


def test_what_is_told_of_a_change_names_the_metric_and_what_was_not_adjusted(made_up):
    found = parts_of(made_up.hospitals(0.1, nearer=0.0))[0].found
    text = said(replace(found, terms={**found.terms, "base": "a"}))
    assert "No difference in HD95 can be told from zero over splits: b." in text
    assert "not adjusted for the number of rows" not in text


def test_an_interval_that_holm_does_not_confirm_is_said_to_be_unadjusted(made_up):
    results = made_up.comparison(0.1)
    (one,) = analyse(with_base(results)).differences
    doubtful = replace(analyse(with_base(results)), differences=(replace(one, holm=0.2),))
    text = "\n".join(findings(with_base(results), doubtful))
    assert "p of Dice is 0.05 or more for b" in text
    assert "not adjusted" not in said(with_base(results))


def test_a_row_with_a_preset_of_its_own_is_not_said_to_follow_the_protocols(made_up):
    results = made_up.comparison(0.1)
    arms = [{**arm, "preset": arm["name"]} for arm in results.terms["arms"]]
    trials = [
        {**one, "recipe": {"epochs": {"a": 60, "b": 400}[one["arm"]], "size": 32}}
        for one in results.trials
    ]
    mixed = replace(results, terms={**results.terms, "arms": arms}, trials=tuple(trials))
    head = written(mixed).partition("\n\n")[2].partition("\n\n")[0]
    assert "(tiny; only pixels and images of it for `a`, `b`, by presets of their own)" in head
    assert "epochs: 60, pixels: 32 (`a`); epochs: 400, pixels: 32 (`b`)" in head
    assert "presets of their own" not in written(results)
