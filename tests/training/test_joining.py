"""A process's place among several: by flags, and as clusters say it; and what is refused before any joins."""

import socket
import sys
from types import ModuleType, SimpleNamespace

import pytest

from gan_jax.training import joining

FLAGS = ("host0:9876", 2, 1)
SLURM = {
    "SLURM_JOB_ID": "4097",
    "SLURM_STEP_NODELIST": "node[03-05],other",
    "SLURM_NTASKS": "3",
    "SLURM_PROCID": "2",
    "SLURM_LOCALID": "0",
}
MPI = {
    "OMPI_MCA_orte_hnp_uri": "1531576320.0;tcp://10.96.0.1,10.148.0.1:34911",
    "OMPI_COMM_WORLD_SIZE": "4",
    "OMPI_COMM_WORLD_RANK": "3",
    "OMPI_COMM_WORLD_LOCAL_RANK": "1",
}


def test_flags_say_the_place():
    assert joining.found(*FLAGS) == joining.Place("host0:9876", 2, 1)
    assert joining.found("host0:9876", 1, 0) is None
    assert joining.found(None, None, None) is None
    with pytest.raises(ValueError, match="--num_processes missing: give"):
        joining.found("host0:9876", None, 0)
    with pytest.raises(ValueError, match="--process_id 2; wanted"):
        joining.found("host0:9876", 2, 2)


@pytest.mark.parametrize(
    ("environment", "place"),
    [
        (SLURM, joining.Place("node03:61441", 3, 2, [0])),
        (SLURM | {"SLURM_NTASKS": "1", "SLURM_PROCID": "0"}, None),
        (MPI, joining.Place("10.96.0.1:62624", 4, 3, [1])),
    ],
    ids=["slurm", "one task of slurm", "open mpi"],
)
def test_clusters_say_the_place_by_their_variables(monkeypatch, environment, place):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert joining.found(None, None, None) == place


def test_kubernetes_says_the_place(monkeypatch):
    """An indexed job of a set, whose variables and answers are imitated."""
    labels = {"job-name": "train-workers", "jobset.sigs.k8s.io/jobset-name": "train"}
    pod = SimpleNamespace(
        metadata=SimpleNamespace(
            name="pod", labels=labels, owner_references=[SimpleNamespace(controller=True, kind="Job")]
        )
    )
    job = SimpleNamespace(
        metadata=SimpleNamespace(name="train-workers", labels=labels), spec=SimpleNamespace(parallelism=4)
    )
    package = ModuleType("kubernetes")
    package.config = SimpleNamespace(load_incluster_config=lambda: None)
    package.client = SimpleNamespace(
        CoreV1Api=lambda: None, BatchV1Api=lambda: None, exceptions=SimpleNamespace(ApiException=OSError)
    )
    monkeypatch.setitem(sys.modules, "kubernetes", package)
    from jax._src.clusters.k8s_cluster import K8sCluster

    for name, answer in (("_pod", pod), ("_job", job), ("_controller", pod.metadata.owner_references[0])):
        monkeypatch.setattr(K8sCluster, name, lambda answer=answer: answer)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    with pytest.raises(ValueError, match="this looks like a cluster, and JAX finds no place in it"):
        joining.found(None, None, None)  # a job that is not indexed
    monkeypatch.setenv("JOB_COMPLETION_INDEX", "3")
    assert joining.found(None, None, None) == joining.Place("train-workers-0.train:55527", 4, 3)


def test_a_port_that_another_program_has_is_refused():
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        place = joining.Place(f"localhost:{taken.getsockname()[1]}", 2, 0)
        with pytest.raises(ValueError, match="another program has it"), joining.joined(place):
            raise AssertionError
