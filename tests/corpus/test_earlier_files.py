"""Tables and unfinished outputs that earlier versions wrote, before an axis had a kind: they load and go on.

``earlier/without_checksums`` was written by a version whose files had no checksums yet, ``earlier/with_checksums`` by
the last version before axes had kinds. Each holds the table of ``SENTENCES`` and the first window of an unfinished run.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from corpus_pool import TRIED, encoder_batches

from xattn_widget import score_corpus, show_corpus
from xattn_widget.corpus import corpus_info, grids, select
from xattn_widget.corpus.store.tables import with_info

EARLIER = Path(__file__).parent / "earlier"
SENTENCES = ["Ich lese ein Buch.", "Hallo!", "Der Hund schläft.", "Nein.", "Das Haus ist alt.", "Gut."]
OPTIONS = {"scores": ["entropy"], "window": 2, "generation": {"max_new_tokens": 6}}
# What differs between releases of this package or of transformers. All but the scores are refused on purpose: release
# 0.1.0 wrote its own version into their signatures, which are compared as if it had written the formula's.
VERSIONS = {"model", "number type", "tokenizer", "scores", "targets"}

pytestmark = pytest.mark.usefixtures("single_thread")
every_version = pytest.mark.parametrize("version", ["without_checksums", "with_checksums"])


@pytest.fixture(scope="module")
def fresh(demo):
    return score_corpus(*demo, iter(SENTENCES), **OPTIONS)


@every_version
def test_a_table_of_an_earlier_version_is_read(version, fresh):
    table = pq.read_table(EARLIER / version / "scored.parquet")
    assert table.column_names == fresh.column_names
    assert table["target"].equals(fresh["target"])
    np.testing.assert_allclose(grids(table, "entropy"), grids(fresh, "entropy"), atol=1e-5)
    assert select(EARLIER / version / "scored.parquet", by="entropy", budget=2).num_rows == 2
    before, now = corpus_info(table)["job"], corpus_info(fresh)["job"]
    assert {name: value for name, value in before.items() if name not in VERSIONS} == {
        name: value for name, value in now.items() if name not in VERSIONS
    }
    assert set(before) == set(now)


@every_version
def test_an_unfinished_output_of_an_earlier_version_goes_on(version, demo, fresh, tmp_path):
    output = tmp_path / "scored.parquet"
    parts = tmp_path / "scored.parquet.parts"
    shutil.copytree(EARLIER / version / "scored.parquet.parts", parts)
    manifest = json.loads((parts / "manifest.json").read_text())
    now = corpus_info(fresh)["job"]
    assert manifest["scores"] == ["entropy|special:keep|v:0.1.0"]
    manifest |= {name: now[name] for name in VERSIONS - {"scores"}}
    if "checksum" in manifest:
        del manifest["checksum"]
        content = json.dumps(manifest, sort_keys=True, ensure_ascii=False)
        manifest["checksum"] = hashlib.blake2b(content.encode(), digest_size=16).hexdigest()
    (parts / "manifest.json").write_text(json.dumps(manifest))

    with encoder_batches(demo.model) as forwards:
        score_corpus(*demo, iter(SENTENCES), output=output, **OPTIONS)
    assert sum(forwards) == TRIED + len(SENTENCES) - 2  # all but the window that was there
    written = pq.read_table(output)
    assert written["target"].equals(fresh["target"])
    np.testing.assert_allclose(grids(written, "entropy"), grids(fresh, "entropy"), atol=1e-5)
    assert not parts.exists()


def test_a_finished_output_of_release_0_1_0_is_that_of_the_same_job(demo, tmp_path):
    output = tmp_path / "scored.parquet"
    score_corpus(*demo, SENTENCES, output=output, **OPTIONS)
    table = pq.read_table(output)
    info = corpus_info(table)
    info["job"]["scores"] = ["entropy|special:keep|v:0.1.0"]
    pq.write_table(with_info_of(table, info), output)
    with encoder_batches(demo.model) as forwards:
        assert score_corpus(*demo, SENTENCES, output=output, **OPTIONS) == output
    assert sum(forwards) <= TRIED
    info["job"]["scores"] = ["entropy|special:keep|v:2"]
    pq.write_table(with_info_of(table, info), output)
    with pytest.raises(
        FileExistsError, match=r"scores was entropy\|special:keep\|v:2, now it is entropy\|special:keep"
    ):
        score_corpus(*demo, SENTENCES, output=output, **OPTIONS)


def with_info_of(table, info):
    return table.replace_schema_metadata(with_info(table.schema, info).metadata)


@every_version
def test_an_earlier_table_opens_its_rows_and_computes_its_scores_for_other_targets(version, demo):
    table = pq.read_table(EARLIER / version / "scored.parquet")
    view = show_corpus(table, *demo)
    [entropy] = [quantity for quantity in view.info["quantities"] if quantity["name"] == "entropy"]
    assert (entropy["signature"], entropy["why"]) == ("entropy|special:keep|v:0.1.0", "")
    view.row = 0
    record = view.opened.set_target("I read a book.")
    np.testing.assert_allclose(view.opened.scores("entropy"), record.score("entropy"), atol=1e-6)
