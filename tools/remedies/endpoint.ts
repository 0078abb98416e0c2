import type { LanguageModelCall, LanguageModelLike, ModelContent, ModelMessage, ModelStreamPart } from '@tesserae/core'

interface Completion {
  readonly choices?: readonly {
    readonly finish_reason?: string
    readonly message?: {
      readonly content?: string | null
      readonly tool_calls?: readonly { readonly id: string; readonly function: { readonly name: string; readonly arguments: string } }[]
    }
  }[]
  readonly usage?: { readonly prompt_tokens?: number; readonly completion_tokens?: number }
}

export interface EndpointOptions {
  /** Such as http://localhost:8080/v1. */
  readonly url: string
  readonly modelId: string
  readonly key?: string
}

/** A model behind an OpenAI-compatible `/chat/completions`, as llama.cpp, Ollama, vLLM and many services have it. Replies come whole. */
export function endpointModel({ url, modelId, key }: EndpointOptions): LanguageModelLike {
  const address = `${url.replace(/\/+$/, '')}/chat/completions`
  async function complete(call: LanguageModelCall) {
    const response = await fetch(address, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(key === undefined ? {} : { authorization: `Bearer ${key}` }), ...call.headers },
      body: JSON.stringify(bodyOf(modelId, call)),
      ...(call.abortSignal === undefined ? {} : { signal: call.abortSignal }),
    }).catch((error: unknown) => {
      if (call.abortSignal?.aborted) throw error
      throw new Error(`${address} cannot be reached: ${reasonOf(error)}. Is the server running, and is this its address?`, { cause: error })
    })
    const body = await response.text()
    if (!response.ok) throw new Error(`${address} replied ${response.status}: ${body.slice(0, 300)}`)
    const { choices, usage } = completionOf(body, address)
    const choice = choices?.[0]
    if (choice?.message === undefined)
      throw new Error(`${address} replied without choices[0].message, which chat completions have: ${body.slice(0, 300)}`)
    const text = choice.message.content ?? ''
    const content: ModelContent[] = [
      ...(text === '' ? [] : [{ type: 'text', text }]),
      ...(choice.message.tool_calls ?? []).map(({ id, function: { name, arguments: input } }) => ({
        type: 'tool-call',
        toolCallId: id,
        toolName: name,
        input,
      })),
    ]
    return {
      content,
      finishReason: (choice.finish_reason ?? 'other').replaceAll('_', '-'),
      usage: { inputTokens: usage?.prompt_tokens, outputTokens: usage?.completion_tokens },
      warnings: [],
    }
  }
  return {
    specificationVersion: 'v2',
    provider: new URL(url).host,
    modelId,
    doGenerate: complete,
    async doStream(call) {
      const { content, finishReason, usage } = await complete(call)
      return {
        stream: new ReadableStream<ModelStreamPart>({
          start(controller) {
            for (const part of content)
              controller.enqueue(part.type === 'text' ? { type: 'text-delta', id: '0', delta: part.text ?? '' } : part)
            controller.enqueue({ type: 'finish', finishReason, usage })
            controller.close()
          },
        }),
      }
    },
  }
}

/** Why a request got no response; Node puts that into the cause of "fetch failed". */
function reasonOf(error: unknown): string {
  const { cause, message } = error as { readonly cause?: { readonly code?: string; readonly message?: string }; readonly message?: string }
  return [cause?.code, cause?.message, message].find((text) => text !== undefined && text !== '') ?? String(error)
}

function completionOf(body: string, address: string): Completion {
  try {
    return JSON.parse(body) as Completion
  } catch (error) {
    throw new Error(`${address} replied with something other than JSON: ${body.slice(0, 300)}`, { cause: error })
  }
}

function bodyOf(model: string, call: LanguageModelCall): object {
  const { responseFormat, tools, toolChoice } = call
  return {
    model,
    messages: call.prompt.flatMap(messagesOf),
    max_tokens: call.maxOutputTokens,
    temperature: call.temperature,
    top_p: call.topP,
    seed: call.seed,
    stop: call.stopSequences,
    ...(responseFormat?.type === 'json'
      ? {
          response_format:
            responseFormat.schema === undefined
              ? { type: 'json_object' }
              : { type: 'json_schema', json_schema: { name: responseFormat.name ?? 'reply', schema: responseFormat.schema, strict: true } },
        }
      : {}),
    ...(tools === undefined || tools.length === 0
      ? {}
      : {
          tools: tools.map(({ name, description, inputSchema }) => ({
            type: 'function',
            function: { name, description, parameters: inputSchema },
          })),
          tool_choice:
            toolChoice?.type === 'tool' ? { type: 'function', function: { name: toolChoice.toolName } } : (toolChoice?.type ?? 'auto'),
        }),
  }
}

function messagesOf(message: ModelMessage): object[] {
  switch (message.role) {
    case 'system':
      return [{ role: 'system', content: message.content }]
    case 'user':
      return [{ role: 'user', content: message.content.map(({ text }) => text).join('') }]
    case 'assistant': {
      const calls = message.content.flatMap((part) =>
        part.type === 'tool-call'
          ? [{ id: part.toolCallId, type: 'function', function: { name: part.toolName, arguments: JSON.stringify(part.input) } }]
          : [],
      )
      const content = message.content.map((part) => (part.type === 'text' ? part.text : '')).join('')
      return [{ role: 'assistant', content, ...(calls.length === 0 ? {} : { tool_calls: calls }) }]
    }
    case 'tool':
      return message.content.map(({ toolCallId, output }) => ({
        role: 'tool',
        tool_call_id: toolCallId,
        content: typeof output.value === 'string' ? output.value : JSON.stringify(output.value),
      }))
    default:
      return message satisfies never
  }
}
