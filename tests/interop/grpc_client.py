"""Asks a server for its health with Python's own gRPC implementation.

    python grpc_client.py HOST:PORT

Prints `OK` and the response in hex, or the name of the status and its message.
"""

import sys

import grpc


def main() -> None:
    sys.stdout.reconfigure(encoding="utf-8")
    with grpc.insecure_channel(sys.argv[1]) as channel:
        # An empty message is a valid HealthCheckRequest, so that no generated code is needed.
        check = channel.unary_unary("/grpc.health.v1.Health/Check")
        try:
            print("OK", check(b"", timeout=30, wait_for_ready=True).hex())
        except grpc.RpcError as error:
            print(error.code().name, error.details())


if __name__ == "__main__":
    main()
