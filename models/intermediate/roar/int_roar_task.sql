{{ roar_documents('task') }}
