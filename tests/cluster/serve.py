"""A Ray cluster of two nodes in a process of its own; `nodes.TwoNodes` starts it and tells it what to do.

Ray's tools for clusters of several nodes change global state of the process that uses them.
"""

import sys

from ray.cluster_utils import Cluster

NODE = {"num_cpus": 1, "object_store_memory": 100 * 1024**2, "include_dashboard": False}


def main() -> None:
    """Print the address, then replace the second node at each line that comes, until there are no more."""
    cluster = Cluster(initialize_head=True, head_node_args=NODE)
    node = cluster.add_node(**NODE)
    sys.stdout.write(f"address {cluster.address}\n")
    for _ in iter(sys.stdin.readline, ""):
        cluster.remove_node(node, allow_graceful=False)
        node = cluster.add_node(**NODE)
        sys.stdout.write("replaced\n")
        sys.stdout.flush()
    cluster.shutdown()


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    main()
