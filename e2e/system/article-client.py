"""Drives the article's AIAPIClient, unmodified; prints what each call came to as one line of JSON.

Arguments: the folder of ai_client.py, the gateway's URL, how many requests batch_chat shall send (0: one call of
chat_completion), the model.
"""
import asyncio
import json
import sys

sys.dont_write_bytecode = True
folder, gateway_url, batch, model = sys.argv[1:]
sys.path.insert(0, folder)

from ai_client import AIAPIClient, AIRequest  # noqa: E402


def told(result):
    if isinstance(result, BaseException):
        return {"error": type(result).__name__, "text": str(result)}
    return {"object": result["object"], "content": result["choices"][0]["message"]["content"]}


async def main():
    client = AIAPIClient(gateway_url=gateway_url)
    prompts = [[{"role": "user", "content": f"Question {n}"}] for n in range(int(batch) or 1)]
    try:
        if int(batch) == 0:
            results = [await client.chat_completion(model, prompts[0])]
        else:
            results = await client.batch_chat([AIRequest(model, prompt) for prompt in prompts])
    except Exception as error:
        results = [error]
    finally:
        await client.close()
    print(json.dumps([told(result) for result in results]))


asyncio.run(main())
