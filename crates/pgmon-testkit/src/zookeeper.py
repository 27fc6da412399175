# Edits the nodes of a ZooKeeper: port, what, path, data.
import sys

from kazoo.client import KazooClient

port, what, path, data = sys.argv[1:5]
client = KazooClient(hosts=f"127.0.0.1:{port}")
client.start(timeout=10)
if what == "put":
    if path.endswith("-"):
        client.create(path, data.encode(), sequence=True, makepath=True)
    elif client.exists(path):
        client.set(path, data.encode())
    else:
        client.create(path, data.encode(), makepath=True)
elif what == "remove":
    client.delete(path, recursive=True)
client.stop()
client.close()
