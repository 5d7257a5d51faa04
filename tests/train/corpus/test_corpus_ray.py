"""The corpus stage on a Ray cluster of two nodes, both on this machine: the same bytes as in one process."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from lilm.pipeline.hashing import sha256_file
from lilm.pipeline.stage import Context
from lilm.recipe import CorpusConfig
from lilm.train.corpus import stage
from lilm.train.stories import stories


@pytest.fixture
def cluster() -> Iterator[None]:
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    two = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    two.add_node(num_cpus=1)
    ray.init(address=two.address, log_to_driver=False)
    assert ray.cluster_resources()["CPU"] == 2 and len(ray.nodes()) == 2
    yield
    ray.shutdown()
    two.shutdown()


def hashes(folder: Path) -> dict[str, str]:
    files = [*folder.glob("docs/**/*.parquet"), *folder.glob("drops/*"), folder / "report.json"]
    return {path.relative_to(folder).as_posix(): sha256_file(path) for path in files}


def test_two_nodes_make_the_same_corpus(cluster: None, tmp_path: Path, context: Context) -> None:
    sources = []
    for lang in ("ja", "en"):
        for part in range(3):
            path = tmp_path / f"{lang}-{part}.jsonl"
            path.write_text("".join(json.dumps({"text": text}) + "\n" for text in stories(lang, 150, part // 2)))
            sources.append({"name": f"{lang}{part}", "lang": lang, "format": "jsonl", "path": str(path)})
    local = CorpusConfig.model_validate({"sources": sources, "workers": 1})
    made = {}
    for name, recipe in (("local", local), ("ray", local.model_copy(update={"executor": "ray", "workers": 2}))):
        out = tmp_path / name
        out.mkdir()
        stage.run(recipe, {}, out, context)
        made[name] = hashes(out)
    assert len(made["local"]) > 12
    assert made["ray"] == made["local"]
    assert json.loads((tmp_path / "ray" / "report.json").read_text())["drops"]["exact_duplicate"]["documents"] > 200
