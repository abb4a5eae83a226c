import shutil

import numpy as np
import pytest

from keras_attention.tasks import TextGenerator, load
from tests.tasks.generation import causal
from tests.tasks.generation.causal import PROMPTS
from tests.tools import near

CHAT = [{"role": "user", "content": "the cat sat"}]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    made = {}

    def find(kind):
        if kind not in made:
            made[kind] = causal.write(tmp_path_factory.mktemp(kind), kind)
        return made[kind]

    return find


@pytest.fixture(scope="module")
def generators(folders):
    made = {}

    def find(kind):
        if kind not in made:
            made[kind] = TextGenerator.from_preset(folders(kind), batch_size=4)
        return made[kind]

    return find


@pytest.fixture(scope="module")
def gpt2(generators):
    return generators("gpt2")


@pytest.mark.parametrize(
    "kind, options",
    [
        ("gpt2", {"max_new_tokens": 9}),
        pytest.param("llama", {"max_new_tokens": 9}, marks=pytest.mark.full),
        pytest.param(
            "gpt2",
            {"max_new_tokens": 9, "num_beams": 3},
            marks=pytest.mark.full,
        ),
        pytest.param(
            "llama",
            {"max_new_tokens": 9, "num_beams": 3, "repetition_penalty": 1.3},
            marks=pytest.mark.full,
        ),
    ],
)
def test_texts_are_those_of_the_pipeline(kind, options, folders, generators):
    pipeline = causal.pipeline(folders(kind))
    expected = [
        pipeline(x, return_full_text=False, do_sample=False, **options)[0][
            "generated_text"
        ]
        for x in PROMPTS
    ]
    found = generators(kind)(PROMPTS, **options)
    assert found == expected
    assert len(set(found)) > 5


@pytest.mark.full
def test_a_text_behind_its_prompt_keeps_its_first_space(generators):
    generator = generators("llama")
    (space,) = generator.tokenizer.encode(["a"])[0][:1]
    options = {"max_new_tokens": 2, "forced_ids": {3: space}}
    assert generator("x", **options).startswith("a")
    full = generator("x", return_full_text=True, **options)
    assert full.startswith("x a")


@pytest.mark.full
def test_a_chat_is_answered_as_by_the_pipeline(folders, generators):
    for kind in ("gpt2", "llama"):
        (found,) = causal.pipeline(folders(kind))(
            CHAT, max_new_tokens=7, do_sample=False
        )
        expected = found["generated_text"][-1]["content"]
        assert generators(kind).chat(CHAT, max_new_tokens=7) == expected
        assert generators(kind)([CHAT], max_new_tokens=7) == [expected]


TOOLS = [{"name": "weather", "parameters": {}}]
NAMED = {
    "default": causal.CHAT,
    "tool_use": "{% if tools %}{{ tools | tojson }}{% endif %}" + causal.CHAT,
    "rag": "{{ documents }} {{ messages[-1].content }}",
}


@pytest.mark.full
@pytest.mark.parametrize("as_files", [True, False])
def test_named_chat_templates_are_chosen_as_by_transformers(
    as_files, folders, tmp_path
):
    transformers = pytest.importorskip("transformers", reason="the oracle")
    folder = tmp_path / "named"
    shutil.copytree(folders("gpt2"), folder)
    (folder / "chat_template.jinja").unlink(missing_ok=True)
    theirs = transformers.AutoTokenizer.from_pretrained(folder)
    theirs.chat_template = NAMED
    theirs.save_pretrained(folder, save_jinja_files=as_files)
    assert (folder / "additional_chat_templates").is_dir() == as_files
    task = TextGenerator.from_preset(folder)
    task.save(tmp_path / "task")
    for found in (task, load(tmp_path / "task")):
        for name in (None, *NAMED):
            for tools in (None, TOOLS):
                expected = theirs.apply_chat_template(
                    CHAT,
                    chat_template=name,
                    tools=tools,
                    tokenize=False,
                    add_generation_prompt=True,
                )
                given = {"chat_template": name, "tools": tools}
                assert found.prompts.render(CHAT, **given) == expected
    options = {"max_new_tokens": 5, "chat_template": "rag"}
    expected = task("None the cat sat", max_new_tokens=5)
    assert task.chat(CHAT, **options) == expected
    assert task([CHAT, "a"], **options)[0] == expected
    assert "".join(task.stream(CHAT, **options)) == expected
    with pytest.raises(ValueError, match="template 'rack', only default"):
        task.chat(CHAT, chat_template="rack")
    without = {"rag": NAMED["rag"]}
    other = TextGenerator(task.model, task.tokenizer, chat_template=without)
    assert other.chat(CHAT, **options) == expected
    with pytest.raises(ValueError, match="none of them is the default"):
        other.chat(CHAT)


@pytest.mark.full
def test_scores_are_log_probabilities_of_transformers(folders, gpt2):
    import torch

    pipeline = causal.pipeline(folders("gpt2"))
    found = gpt2(PROMPTS[:3], max_new_tokens=9, return_scores=True)
    for prompt, result in zip(PROMPTS, found, strict=False):
        ids = pipeline.tokenizer(prompt, return_tensors="pt").input_ids
        given = {"max_new_tokens": 9, "do_sample": False}
        whole = pipeline.model.generate(ids, **given)
        with torch.no_grad():
            logits = pipeline.model(whole).logits[0]
        scores = torch.log_softmax(logits, -1)[ids.shape[1] - 1 : -1]
        new = whole[0, ids.shape[1] :]
        expected = scores[torch.arange(len(new)), new].sum()
        np.testing.assert_allclose(result["score"], expected, rtol=1e-4)


@pytest.mark.parametrize(
    "kind", ["gpt2", pytest.param("llama", marks=pytest.mark.full)]
)
def test_pieces_of_a_stream_are_the_text_of_the_call(kind, generators):
    # At this temperature most tokens are bytes of characters, or of none.
    options = {"max_new_tokens": 31, "temperature": 3.0, "top_k": None}
    for seed in range(2):
        found = generators(kind)(PROMPTS[0], seed=seed, **options)
        stream = generators(kind).stream(PROMPTS[0], seed=seed, **options)
        pieces = list(stream)
        assert "".join(pieces) == found
        assert len(pieces) > 3
        assert "" not in pieces


@pytest.mark.full
def test_what_a_prompt_becomes_depends_on_no_other(gpt2):
    options = {"max_new_tokens": 5}
    together = gpt2([PROMPTS[1], "", PROMPTS[3]], **options)
    assert [gpt2(PROMPTS[1], **options), gpt2("", **options)] == together[:2]
    # Of two limits the lower one counts.
    (row,) = gpt2.prompts.encode([PROMPTS[3]])
    short = gpt2(PROMPTS[3], max_length=len(row) + 2, **options)
    assert short == gpt2(PROMPTS[3], max_new_tokens=2)


@pytest.mark.full
def test_the_seed_decides_what_is_drawn(gpt2):
    options = {"max_new_tokens": 5, "temperature": 2.0}
    first = gpt2([PROMPTS[0]] * 5, seed=3, **options)
    assert len(set(first)) > 1
    assert gpt2([PROMPTS[0]] * 5, seed=3, **options) == first
    assert gpt2([PROMPTS[0]] * 2, seed=3, **options) == first[:2]
    assert gpt2([PROMPTS[0]] * 5, seed=4, **options) != first
    assert gpt2([PROMPTS[0]] * 5, **options) != first


@pytest.mark.full
@pytest.mark.parametrize("strategy", ["greedy", "sampling", "beam"])
def test_a_text_ends_before_a_stop_string(strategy, gpt2):
    options = {"max_new_tokens": 24, "strategy": strategy}
    if strategy == "sampling":
        options["seed"] = 5
    if strategy == "beam":
        options["num_beams"] = 2
    whole = gpt2(PROMPTS[0], return_scores=True, **options)
    # It begins within one token and ends within another.
    text = whole["text"]
    stop = text[7:12]
    first = text.index(stop)
    options["stop"] = ["never comes", stop]
    found = gpt2(PROMPTS[:2], return_scores=True, **options)
    assert stop not in found[0]["text"]
    # Another hypothesis of a beam may have the better score where it ends.
    if strategy != "beam":
        assert found[0]["text"] == text[:first]
        assert found[0]["score"] > whole["score"]
        pieces = [*gpt2.stream(PROMPTS[0], **options)]
        assert "".join(pieces) == text[:first]


@pytest.mark.full
@pytest.mark.parametrize("kind", ["gpt2", "llama"])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_beams_end_at_stop_strings_as_in_transformers(
    kind, early_stopping, folders, generators
):
    pipeline = causal.pipeline(folders(kind))
    options = {
        "max_new_tokens": 12,
        "num_beams": 3,
        "early_stopping": early_stopping,
    }
    whole = generators(kind)(PROMPTS, **options)
    stop = [whole[0][2:4], whole[1][4:5], "sea "]
    found = generators(kind)(PROMPTS, stop=stop, return_scores=True, **options)
    for prompt, result in zip(PROMPTS, found, strict=True):
        ids = pipeline.tokenizer(prompt, return_tensors="pt").input_ids
        made = pipeline.model.generate(
            ids,
            do_sample=False,
            stop_strings=stop,
            tokenizer=pipeline.tokenizer,
            return_dict_in_generate=True,
            output_scores=True,
            **options,
        )
        new = made.sequences[0, ids.shape[1] :]
        text = pipeline.tokenizer.decode(new, skip_special_tokens=True)
        near(result["score"], made.sequences_scores[0])
        cut = min((text + x).index(x) for x in stop)
        assert result["text"] == text[:cut]
    assert [x["text"] for x in found] != whole


@pytest.mark.full
def test_settings_of_the_folder_hold_until_a_call_has_others(
    tmp_path, generators
):
    folder = causal.write(
        tmp_path,
        "gpt2",
        do_sample=True,
        temperature=2.0,
        max_new_tokens=3,
        stop_strings=["zzz"],
    )
    generator = TextGenerator.from_preset(folder, generation={"seed": 5})
    assert generator.settings["stop"] == ["zzz"]
    plain = generators("gpt2")
    expected = plain("the", max_new_tokens=3, temperature=2.0, seed=5)
    assert generator("the") == expected
    greedy = generator("the", strategy="greedy", max_new_tokens=4)
    assert greedy == plain("the", max_new_tokens=4)


@pytest.mark.full
def test_a_saved_task_gives_the_same(tmp_path, gpt2):
    gpt2.save(tmp_path / "task")
    again = load(tmp_path / "task", generation={"max_new_tokens": 4})
    assert isinstance(again, TextGenerator)
    assert again(PROMPTS[0]) == gpt2(PROMPTS[0], max_new_tokens=4)
    assert again.chat(CHAT) == gpt2.chat(CHAT, max_new_tokens=4)
    assert "TextGenerator(" in repr(again)
    assert "CausalLM" in repr(again)


def test_bad_input_is_one_clear_error(gpt2):
    for prompts, options, message in [
        (["a", 3], {}, "strings"),
        ("a " * 99, {}, "1 of 1 prompts are too long.*71"),
        ("a", {"max_new_tokens": 99}, "too long"),
        ("a", {"temprature": 1.0}, "temperature"),
        ("a", {"temperature": 0.0}, "temperature"),
        ("a", {"temperature": 1.0, "num_beams": 2}, "belong to"),
        ("a", {"strategy": "greedy", "top_k": 2}, "belong to"),
        ("a", {"seed": -1}, "seed"),
        ("a", {"stop": [""]}, "stop"),
        ([[{"content": "no role"}]], {}, "role"),
    ]:
        with pytest.raises(ValueError, match=message):
            gpt2(prompts, **options)
    with pytest.raises(ValueError, match="one by one"):
        gpt2.stream("a", num_beams=2)


def test_options_of_every_kind_are_saved(tmp_path, gpt2):
    options = {"forced_ids": {3: 7}, "temperature": np.float32(0.5), "seed": 2}
    task = TextGenerator(gpt2.model, gpt2.tokenizer, generation=options)
    task.save(tmp_path / "task")
    again = load(tmp_path / "task")
    assert again.settings == task.settings
    assert again.arguments["forced_ids"] == [[3, 7]]


@pytest.mark.full
def test_what_a_model_lacks_is_said(gpt2):
    with pytest.raises(ValueError, match="model must be a CausalLM"):
        TextGenerator(gpt2.model.decoder, gpt2.tokenizer)
    plain = TextGenerator(gpt2.model, gpt2.tokenizer)
    plain.prompts = type(plain.prompts)(gpt2.model.decoder, gpt2.tokenizer)
    with pytest.raises(ValueError, match="no chat template"):
        plain.chat(CHAT)
    with pytest.raises(ValueError, match="vocabulary_size"):
        small = type(gpt2.model)({**gpt2.model.get_config()["decoder"]})
        small.decoder.vocabulary_size = 11
        TextGenerator(small, gpt2.tokenizer)
